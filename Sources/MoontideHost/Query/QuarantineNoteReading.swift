import FoundationEssentials
import MoontideCore
import MoontideJSON

extension QuarantineNote {
  /// Reads what `QuarantineRecord` wrote. Throws what is missing.
  init(json: JSONValue) throws(EnvelopeFault) {
    func text(_ name: String) throws(EnvelopeFault) -> String {
      guard case .string(let text)? = json[name] else {
        throw EnvelopeFault(code: "E0502", reason: "\(name) is no text")
      }
      return text
    }
    func number(_ name: String) throws(EnvelopeFault) -> UInt64 {
      guard case .integer(let number)? = json[name] else {
        throw EnvelopeFault(code: "E0502", reason: "\(name) is no number")
      }
      return UInt64(clamping: number)
    }
    var conflict: UInt64?
    if json["conflictPosition"] != nil { conflict = try number("conflictPosition") }
    self.init(
      code: try text("code"), reason: try text("reason"), file: try text("file"), line: try number("line"),
      byteOffset: try number("byteOffset"), lineBytes: try number("lineBytes"),
      rawBase64: try text("rawBase64"),
      conflictPosition: conflict)
  }

  /// The line as text; bytes that are no UTF-8 are replaced.
  var rawText: String { String(decoding: Data(base64Encoded: rawBase64) ?? Data(), as: UTF8.self) }
}
