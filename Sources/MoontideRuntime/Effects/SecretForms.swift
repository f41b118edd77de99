import MoontideCore

/// The texts by which a value of the environment can be known: itself, what of a URL is a secret, and all of
/// these in base64, wherever they stand in what was encoded.
struct SecretForms {
  /// Each once.
  private(set) var texts: Set<String> = []

  init(of value: String) {
    add(value)
    if let start = value.firstRange(of: "://")?.upperBound { addParts(of: value[start...]) }
  }

  private mutating func add(_ text: String) {
    guard text.utf8.count >= Limits.secretBytesMin else { return }
    texts.insert(text)
    for form in SecretForms.base64(text) { texts.insert(form) }
  }

  /// What a server shows of a URL that it was asked for is a part of it. A password is a secret in any case;
  /// words of its path and query are when they look as if nobody had chosen them.
  private mutating func addParts(of url: Substring) {
    let authority = url.prefix { !"/?#".contains($0) }
    if let at = authority.lastIndex(of: "@") {
      let user = SecretForms.decoded(authority[..<at])
      add(user)
      if let colon = user.firstIndex(of: ":") { add(String(user[user.index(after: colon)...])) }
    }
    for word in url[authority.endIndex...].split(whereSeparator: { "/?#&=;".contains($0) }) {
      let word = SecretForms.decoded(word)
      if word.utf8.count >= Limits.secretWordBytesMin, word.contains(where: \.isNumber) { add(word) }
    }
  }

  /// Without its percents; as it is where they hide no UTF-8.
  private static func decoded(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = text.utf8
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self) ?? String(text)
  }

  /// What of it a text in base64 (RFC 4648, 4 and 5) holds for sure, by the three places at which it can
  /// begin, and as the end of such a text.
  private static func base64(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    return (0...2).flatMap { lead -> [String] in
      let letters = base64(Array(repeating: 0, count: lead) + bytes)
      let whole = letters.prefix((lead + bytes.count) * 8 / 6)
      // The first ones tell of what stands before too.
      return [letters, Array(whole)].map { String(decoding: $0.dropFirst([0, 2, 3][lead]), as: UTF8.self) }
    }
    .flatMap { form in
      form.utf8.count < Limits.secretBase64Min
        ? [] : [form, String(form.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })]
    }
  }

  /// Without the padding.
  private static func base64(_ bytes: [UInt8]) -> [UInt8] {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var out: [UInt8] = []
    var at = 0
    while at < bytes.count {
      let rest = min(3, bytes.count - at)
      var group: UInt32 = 0
      for index in 0..<3 { group = group << 8 | (index < rest ? UInt32(bytes[at + index]) : 0) }
      for index in 0...rest { out.append(letters[Int(group >> (18 - 6 * UInt32(index)) & 63)]) }
      at += 3
    }
    return out
  }
}
