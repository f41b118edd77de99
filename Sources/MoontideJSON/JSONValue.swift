public import MoontideCore

/// A JSON value as a tree, for commands and settings; the hot paths never build one.
public enum JSONValue: Sendable, Hashable {
  case null
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case array([JSONValue])
  /// In written order; a repeated name stays.
  case object([Member])

  public struct Member: Sendable, Hashable {
    public var name: String
    public var value: JSONValue
    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// Reads one document; throws as `JSONValidator` does.
  public init(parsing bytes: [UInt8]) throws(EnvelopeFault) {
    try self.init(parsing: bytes, ByteRange(start: 0, count: bytes.count))
  }

  public init(parsing bytes: [UInt8], _ range: ByteRange) throws(EnvelopeFault) {
    try JSONValidator().validate(bytes, range)
    var reader = JSONTreeReader(bytes: bytes, at: Int(range.start))
    self = reader.value()
  }

  public init(parsing text: String) throws(EnvelopeFault) { try self.init(parsing: Array(text.utf8)) }

  /// The first member of that name, or nil; nil of anything but an object.
  public subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// The text of a string, or nil.
  public var text: String? {
    if case .string(let text) = self { return text }
    return nil
  }

  /// Appends the value without whitespace. A number that is not finite, which JSON cannot say, becomes null.
  public func append(to out: inout [UInt8]) {
    switch self {
    case .null: out.append(contentsOf: "null".utf8)
    case .boolean(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
    case .integer(let value): out.append(contentsOf: String(value).utf8)
    case .number(let value): out.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
    case .string(let text): JSONWriter.appendString(text, to: &out)
    case .array(let values):
      out.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        value.append(to: &out)
      }
      out.append(UInt8(ascii: "]"))
    case .object(let members):
      out.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        JSONWriter.appendString(member.name, to: &out)
        out.append(UInt8(ascii: ":"))
        member.value.append(to: &out)
      }
      out.append(UInt8(ascii: "}"))
    }
  }

  /// Without whitespace.
  public var compact: String {
    var out: [UInt8] = []
    append(to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// With a line for every member and element.
  public func pretty(indent: Int = 2) -> String {
    var out: [UInt8] = []
    append(to: &out)
    return JSONText.pretty(out, ByteRange(start: 0, count: out.count), indent: indent)
  }
}
