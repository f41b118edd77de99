import MoontideCore
import MoontideJSON

/// A file's text as JSON, byte for byte.
public enum KeptText {
  /// `{"text": …}`, or, where that is no UTF-8, `{"latin1": …}` with a character for each byte.
  public static func data(of text: [UInt8]) -> [UInt8] {
    var data: [UInt8] = []
    let member: JSONValue.Member
    if let shown = String(validating: text, as: UTF8.self) {
      member = .init("text", .string(shown))
    } else {
      var shown = String.UnicodeScalarView()
      for byte in text { shown.append(Unicode.Scalar(byte)) }
      member = .init("latin1", .string(String(shown)))
    }
    JSONValue.object([member]).append(to: &data)
    return data
  }

  /// Nil for what is neither.
  public static func text(of data: [UInt8]) -> [UInt8]? {
    let json: JSONValue
    do throws(EnvelopeFault) { json = try JSONValue(parsing: data) } catch { return nil }
    if let text = json["text"]?.text { return Array(text.utf8) }
    return json["latin1"]?.text?.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
  }
}
