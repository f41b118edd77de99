/// Writes values in the coding in which they cross into Lua; the byte table is in `state_codec.c`. Whoever
/// calls it writes as many values behind `list`, `array` and `table` as it said.
public struct StateWriter {
  public private(set) var bytes: [UInt8] = [1]

  public init() {}

  public mutating func null() { bytes.append(0x01) }
  /// As the value of a field: it is not there.
  public mutating func nothing() { bytes.append(0x00) }
  public mutating func boolean(_ flag: Bool) { bytes.append(flag ? 0x03 : 0x02) }

  public mutating func integer(_ number: Int64) {
    bytes.append(0x04)
    fixed(UInt64(bitPattern: number))
  }

  public mutating func number(_ number: Double) {
    bytes.append(0x05)
    fixed(number.isNaN ? 0x7ff8_0000_0000_0000 : number.bitPattern)
  }

  public mutating func text(_ text: some Collection<UInt8>) {
    bytes.append(0x06)
    count(text.count)
    bytes += text
  }

  public mutating func text(_ text: String) { self.text(text.utf8) }

  /// So many names and values follow in turn.
  public mutating func table(_ entries: Int) {
    bytes.append(0x07)
    count(entries)
  }

  /// So many values follow.
  public mutating func list(_ values: Int) {
    bytes.append(0x08)
    count(values)
  }

  /// The same, of a JSON array.
  public mutating func array(_ values: Int) {
    bytes.append(0x09)
    count(values)
  }

  /// A value that was written by itself.
  public mutating func value(_ written: [UInt8]) { bytes += written.dropFirst() }

  private mutating func fixed(_ value: UInt64) {
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
    }
  }

  private mutating func count(_ count: Int) {
    var rest = count
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
