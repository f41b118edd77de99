import MoontideCore

/// Writes JSON (RFC 8259) without whitespace and without a tree: what `JSONValue` would write, for what is
/// written often. Whoever calls it keeps to the grammar; commas are set by themselves.
public struct JSONComposer {
  public private(set) var bytes: [UInt8] = []

  /// - Parameter capacity: about how many bytes there will be.
  public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  public mutating func beginObject() { open("{") }
  public mutating func endObject() { bytes.append(UInt8(ascii: "}")) }
  public mutating func beginArray() { open("[") }
  public mutating func endArray() { bytes.append(UInt8(ascii: "]")) }

  /// The name of the next member: without anything that is escaped.
  public mutating func name(_ name: StaticString) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    bytes.append(UInt8(ascii: "\""))
    bytes.append(UInt8(ascii: ":"))
  }

  public mutating func text(_ text: String) {
    separate()
    JSONWriter.appendString(text, to: &bytes)
  }

  /// UTF-8.
  public mutating func text(_ text: [UInt8]) {
    separate()
    JSONWriter.appendString(text, ByteRange(start: 0, count: text.count), to: &bytes)
  }

  public mutating func integer(_ number: Int64) {
    separate()
    var magnitude = number.magnitude
    if number < 0 { bytes.append(UInt8(ascii: "-")) }
    let start = bytes.count
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(magnitude % 10))
      magnitude /= 10
    } while magnitude > 0
    bytes[start...].reverse()
  }

  public mutating func boolean(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  private mutating func open(_ bracket: Unicode.Scalar) {
    separate()
    bytes.append(UInt8(ascii: bracket))
  }

  /// A comma, but behind a name and at the beginning.
  private mutating func separate() {
    switch bytes.last {
    case nil, UInt8(ascii: ":"), UInt8(ascii: "{"), UInt8(ascii: "["): return
    default: bytes.append(UInt8(ascii: ","))
    }
  }
}
