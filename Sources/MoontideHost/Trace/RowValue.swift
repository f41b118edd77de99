import MoontideCore
import MoontideJSON
import MoontideSQLite

/// One value of a row, on its own.
public enum RowValue: Sendable, Hashable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])
  /// The table does not keep it: a full-text table without content.
  case unkept

  init(_ cell: Cell, _ bytes: [UInt8]) {
    switch cell.kind {
    case .absent: self = .unkept
    case .null: self = .null
    case .integer: self = .integer(cell.bits)
    case .real: self = .real(cell.real)
    case .text: self = .text(bytes.text(cell.part))
    case .blob: self = .blob(Array(bytes[cell.part.indices]))
    }
  }

  /// As SQL writes it, cut where it is long: `'paid'`, `12`, `NULL`; `?` where it is not kept.
  public var shown: String {
    switch self {
    case .null: return "NULL"
    case .integer(let number): return String(number)
    case .real(let number): return number.description
    case .text(let text):
      let cut = text.count > Limits.tracedValueCharactersMax
      let head = cut ? String(text.prefix(Limits.tracedValueCharactersMax)) + "…" : text
      return "'" + head.replacing("'", with: "''").replacing("\n", with: "\\n") + "'"
    case .blob(let bytes): return "\(Counted.text(bytes.count, "byte"))"
    case .unkept: return "?"
    }
  }

  /// Blobs as their hexadecimal digits.
  var json: JSONValue {
    switch self {
    case .null, .unkept: .null
    case .integer(let number): .integer(number)
    case .real(let number): .number(number)
    case .text(let text): .string(text)
    case .blob(let bytes):
      .string(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }
  }

  /// Appends it to a row of an answer.
  func append(to row: RowBuffer) {
    switch self {
    case .null, .unkept: row.cells.append(.null)
    case .integer(let number): row.cells.append(.integer(number))
    case .real(let number): row.cells.append(.real(number))
    case .text(let text): row.append(text: text)
    case .blob(let bytes):
      let part = row.bytes.appendPart(bytes, ByteRange(start: 0, count: bytes.count))
      row.cells.append(Cell(kind: .blob, part: part))
    }
  }
}
