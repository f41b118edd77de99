import MoontideCore
import MoontideJSON

/// The members of a JSON object at its top level, found without building it. The text was validated when it
/// entered the log; anything else simply ends the walk.
struct JSONFields {
  private let bytes: [UInt8]
  private var at: Int
  private let end: Int

  init(_ bytes: [UInt8], _ object: ByteRange) {
    self.bytes = bytes
    at = Int(object.start)
    end = object.end
  }

  /// All names, in order, as they are written (escapes kept), at most `limit`.
  static func names(_ bytes: [UInt8], _ object: ByteRange, limit: Int = 64) -> [String] {
    var fields = JSONFields(bytes, object)
    var names: [String] = []
    while names.count < limit, let member = fields.next() { names.append(bytes.text(member.name)) }
    return names
  }

  /// The written value of a member, quotes included, or nil. As in Lua a name means what its escapes stand
  /// for, and of several members of one name the first counts.
  static func value(_ name: String, _ bytes: [UInt8], _ object: ByteRange) -> ByteRange? {
    var fields = JSONFields(bytes, object)
    while let member = fields.next() {
      let written = bytes[member.name.indices]
      let isIt =
        written.contains(UInt8(ascii: "\\"))
        ? unescaped(written) == name : written.elementsEqual(name.utf8)
      if isIt { return member.value }
    }
    return nil
  }

  /// The bytes of a written text without escapes; nil for anything else.
  static func plainText(_ bytes: [UInt8], _ written: ByteRange) -> [UInt8]? {
    let quote = UInt8(ascii: "\"")
    guard written.count >= 2, bytes[Int(written.start)] == quote, bytes[written.end - 1] == quote else {
      return nil
    }
    let text = bytes[Int(written.start) + 1..<written.end - 1]
    return text.contains(UInt8(ascii: "\\")) ? nil : Array(text)
  }

  /// Nil for what stands for no text, such as half of a surrogate pair.
  private static func unescaped(_ name: ArraySlice<UInt8>) -> String? {
    let quote = [UInt8(ascii: "\"")]
    do throws(EnvelopeFault) { return try JSONValue(parsing: quote + name + quote).text } catch { return nil }
  }

  /// The next member: the name without quotes, the value as written.
  mutating func next() -> (name: ByteRange, value: ByteRange)? {
    skip { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d || $0 == 0x7b || $0 == 0x2c }
    guard at < end, bytes[at] == UInt8(ascii: "\"") else { return nil }
    let nameStart = at + 1
    skipString()
    let name = ByteRange(start: nameStart, count: max(0, at - nameStart - 1))
    skip { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d || $0 == 0x3a }
    let valueStart = at
    skipValue()
    guard at > valueStart else { return nil }
    return (name, ByteRange(start: valueStart, count: at - valueStart))
  }

  private mutating func skip(while condition: (UInt8) -> Bool) {
    while at < end, condition(bytes[at]) { at += 1 }
  }

  private mutating func skipString() {
    at += 1
    while at < end, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
    at = min(at + 1, end)
  }

  private mutating func skipValue() {
    var depth = 0
    while at < end {
      switch bytes[at] {
      case UInt8(ascii: "\""): skipString()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        at += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return }
        depth -= 1
        at += 1
      case UInt8(ascii: ",") where depth == 0, 0x20 where depth == 0, 0x0a where depth == 0,
        0x0d where depth == 0, 0x09 where depth == 0:
        return
      default: at += 1
      }
      if depth == 0, at < end, bytes[at] == UInt8(ascii: ",") || bytes[at] == UInt8(ascii: "}") { return }
    }
  }
}
