import MoontideCore

/// Reads the coding in which `ctx.state` is kept, for tools; the byte table is in `state_codec.c`.
public enum StateCodec {
  /// The value, or nil when the bytes are damaged or of a later format. Arrays read as tables.
  public static func decode(_ bytes: [UInt8]) -> LuaValue? { decode(bytes, functions: false) }

  static func decode(_ bytes: [UInt8], functions: Bool) -> LuaValue? {
    guard bytes.first == 1 else { return nil }
    var reader = Reader(bytes: bytes, at: 1, functions: functions)
    guard let value = reader.value(depth: 0), reader.at == bytes.count else { return nil }
    return value
  }

  private struct Reader {
    let bytes: [UInt8]
    var at: Int
    let functions: Bool

    mutating func value(depth: Int) -> LuaValue? {
      guard at < bytes.count, depth <= Limits.valueDepthMax else { return nil }
      let tag = bytes[at]
      at += 1
      switch tag {
      case 0x00: return .nil
      case 0x01: return .null
      case 0x02: return .boolean(false)
      case 0x03: return .boolean(true)
      case 0x04: return fixed(8).map { .integer(Int64(bitPattern: $0)) }
      case 0x05: return fixed(8).map { .number(Double(bitPattern: $0)) }
      case 0x06:
        guard let count = count(), count <= bytes.count - at else { return nil }
        defer { at += count }
        return .string(Array(bytes[at..<at + count]))
      case 0x07, 0x08, 0x09: return table(pairs: tag == 0x07, depth: depth)
      case 0x0a where functions:
        guard let reference = fixed(4), let line = fixed(4) else { return nil }
        return .function(LuaFunction(reference: Int32(reference), line: Int(line)))
      default: return nil
      }
    }

    private mutating func table(pairs: Bool, depth: Int) -> LuaValue? {
      guard let count = count(), count <= bytes.count - at else { return nil }
      var table = LuaTable()
      table.entries.reserveCapacity(count)
      for index in 0..<count {
        guard let key = pairs ? value(depth: depth + 1) : .integer(Int64(index + 1)),
          let value = value(depth: depth + 1)
        else { return nil }
        table.entries.append(LuaTable.Entry(key: key, value: value))
      }
      return .table(table)
    }

    private mutating func fixed(_ count: Int) -> UInt64? {
      guard bytes.count - at >= count else { return nil }
      var value: UInt64 = 0
      for index in 0..<count { value |= UInt64(bytes[at + index]) << (8 * index) }
      at += count
      return value
    }

    /// A varint of at most 35 bits.
    private mutating func count() -> Int? {
      var value = 0
      var shift = 0
      while at < bytes.count, shift < 35 {
        let byte = Int(bytes[at])
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
      return nil
    }
  }
}
