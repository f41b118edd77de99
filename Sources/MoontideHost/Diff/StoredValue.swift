public import MoontideCore

/// A value of a read model, taken out of its file.
public enum StoredValue: Sendable, Hashable {
  case null
  case integer(Int64)
  case real(Double)
  /// The first `Limits.diffValueBytesMax` bytes.
  case text(String)
  /// Likewise.
  case blob([UInt8])

  /// Cell `index` of a row.
  init(_ row: RowBuffer, _ index: Int) {
    let cell = row.cells[index]
    switch cell.kind {
    case .absent, .null: self = .null
    case .integer: self = .integer(cell.bits)
    case .real: self = .real(cell.real)
    case .text:
      self = .text(
        String(decoding: row.bytes[cell.part.indices].prefix(Limits.diffValueBytesMax), as: UTF8.self))
    case .blob: self = .blob(Array(row.bytes[cell.part.indices].prefix(Limits.diffValueBytesMax)))
    }
  }

  /// As SQL writes it, so that 1, 1.0 and '1' are told apart.
  public var literal: String {
    switch self {
    case .null: "NULL"
    case .integer(let value): String(value)
    case .real(let value): value.description
    case .text(let text): "'\(text)'"
    case .blob(let bytes):
      "x'" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "'"
    }
  }

  /// Appends it as a cell.
  public func append(to row: RowBuffer) {
    switch self {
    case .null: row.cells.append(.null)
    case .integer(let value): row.cells.append(.integer(value))
    case .real(let value): row.cells.append(.real(value))
    case .text(let text): row.append(text: text)
    case .blob(let bytes):
      let part = row.bytes.appendPart(bytes, ByteRange(start: 0, count: bytes.count))
      row.cells.append(Cell(kind: .blob, part: part))
    }
  }
}
