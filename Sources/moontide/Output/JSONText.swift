import MoontideCore

/// Writes JSON (RFC 8259) without whitespace.
enum JSONText {
  /// A string with its quotes; everything but `"`, `\` and control characters stays as it is.
  static func string(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  /// The shortest decimal that reads back as the same number. What JSON cannot say is what SQLite writes:
  /// an infinity becomes `1e999`, not-a-number `null`.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "null" }
    if value.isInfinite { return value < 0 ? "-1e999" : "1e999" }
    return value.description
  }

  /// Members as given, in order.
  static func object(_ members: [(name: String, value: String)]) -> String {
    "{" + members.map { string($0.name) + ":" + $0.value }.joined(separator: ",") + "}"
  }

  /// Base 64 (RFC 4648, with padding), for bytes that are no text.
  static func base64(_ bytes: ArraySlice<UInt8>) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var result: [UInt8] = []
    var rest = bytes
    while !rest.isEmpty {
      let chunk = Array(rest.prefix(3))
      rest = rest.dropFirst(3)
      let bits = (0..<3).reduce(UInt32(0)) { $0 << 8 | UInt32($1 < chunk.count ? chunk[$1] : 0) }
      for index in 0..<4 {
        result.append(
          index <= chunk.count
            ? alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
