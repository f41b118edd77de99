import MoontideCore
import MoontideJSON

/// The values of the environment that effects may refer to, and the one place that takes them out of whatever
/// comes back. Made once; any thread.
public struct SecretVault: Sendable {
  private let values: [String: String]
  /// What must not be seen, longest first, so that a value within another one is not what is left of it.
  private let forms: [(bytes: [UInt8], shown: [UInt8])]

  /// - Parameters:
  ///   - names: those that the settings allow.
  ///   - value: of a variable of the process; nil when it is not set.
  public init(_ names: [String], _ value: (String) -> String?) {
    var values: [String: String] = [:]
    var forms: [(bytes: [UInt8], shown: [UInt8])] = []
    for name in names {
      guard let text = value(name), text.utf8.count <= Limits.secretBytesMax else { continue }
      values[name] = text
      guard text.utf8.count >= Limits.secretBytesMin else { continue }
      let shown = Array("${\(name)}".utf8)
      for form in Self.forms(of: text) { forms.append((form, shown)) }
    }
    self.values = values
    self.forms = forms.sorted { $0.bytes.count > $1.bytes.count }
  }

  public subscript(_ name: String) -> String? { values[name] }

  /// As servers and programs give a value back: as it is, escaped in JSON, in a URL (the case of
  /// its digits is free), and in base64.
  private static func forms(of text: String) -> Set<[UInt8]> {
    let bytes = Array(text.utf8)
    var json: [UInt8] = []
    JSONWriter.appendString(text, to: &json)
    var forms: Set<[UInt8]> = [bytes, Array(json.dropFirst().dropLast())]
    forms.insert(
      Array(text.split(separator: "/", omittingEmptySubsequences: false).joined(separator: "\\/").utf8))
    forms.insert(percentEncoded(bytes, upper: true))
    forms.insert(percentEncoded(bytes, upper: false))
    forms.insert(base64(bytes))
    return forms
  }

  private static func percentEncoded(_ bytes: [UInt8], upper: Bool) -> [UInt8] {
    let digits = Array((upper ? "0123456789ABCDEF" : "0123456789abcdef").utf8)
    return bytes.flatMap { byte -> [UInt8] in
      let isPlain =
        (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte &- UInt8(ascii: "0") < 10
        || "-._~".utf8.contains(byte)
      return isPlain ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }

  /// RFC 4648, 4, without the padding: what stands before it tells the value.
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

  /// The longest form: so far behind its end a text must reach for `redacted` to see every value in it.
  public var reach: Int { forms.first?.bytes.count ?? 0 }

  /// What may be shown of the first `limit` bytes.
  public func redacted(_ bytes: [UInt8], upTo limit: Int = .max) -> [UInt8] {
    let end = min(limit, bytes.count)
    if forms.isEmpty { return Array(bytes[..<end]) }
    var out: [UInt8] = []
    out.reserveCapacity(end)
    var at = 0
    while at < end {
      if let form = forms.first(where: { bytes[at...].starts(with: $0.bytes) }) {
        out += form.shown
        at += form.bytes.count
      } else {
        out.append(bytes[at])
        at += 1
      }
    }
    return out
  }

  public func redacted(_ text: String) -> String {
    String(decoding: redacted(Array(text.utf8)), as: UTF8.self)
  }
}
