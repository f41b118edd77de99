import MoontideCore
import MoontideLua

/// A value of Lua as a person reads it, and as a table of SQL.
public struct DeskText: Equatable {
  private let value: LuaValue

  init(_ value: LuaValue) { self.value = value }

  public var isNil: Bool { value == .nil }

  /// Lua that makes it, on one line where it is short, bounded.
  /// - Parameter columns: of the terminal.
  public func lines(columns: Int) -> [String] {
    var out = DeskPrinter(columns: columns)
    out.print(value)
    return out.lines
  }

  /// The table `_`: a list of tables has a column for each of their fields, a list of values the column
  /// `value`; a table is one row.
  public var rows: KeptRows {
    var records: [[(String, LuaValue)]]
    if case .table(let table) = value, DeskText.isList(table) {
      records = table.entries.map { DeskText.fields($0.value) }
    } else {
      records = [DeskText.fields(value)]
    }
    records = Array(records.prefix(Limits.replRowsKeptMax + 1))
    var names: [String] = []
    var seen: Set<String> = []
    for (name, _) in records.joined() where seen.count < Limits.columnsMax && seen.insert(name).inserted {
      names.append(name)
    }
    if names.isEmpty { names = ["value"] }
    let kept = KeptRows(names: names)
    for record in records {
      let row = RowBuffer()
      for name in names { DeskText.append(record.first { $0.0 == name }?.1 ?? .nil, to: row) }
      kept.add(row)
    }
    return kept
  }

  static func isList(_ table: LuaTable) -> Bool {
    table.entries.enumerated().allSatisfy { $1.key == .integer(Int64($0 + 1)) }
  }

  private static func fields(_ value: LuaValue) -> [(String, LuaValue)] {
    guard case .table(let table) = value, !table.entries.isEmpty, !isList(table) else {
      return value == .nil ? [] : [("value", value)]
    }
    return table.entries.map { (DeskPrinter.plain($0.key), $0.value) }
  }

  private static func append(_ value: LuaValue, to row: RowBuffer) {
    switch value {
    case .nil, .null: row.cells.append(.null)
    case .boolean(let flag): row.cells.append(.integer(flag ? 1 : 0))
    case .integer(let number): row.cells.append(.integer(number))
    case .number(let number): row.cells.append(.real(number))
    case .string(let bytes): row.append(text: String(decoding: bytes, as: UTF8.self))
    case .table, .function: row.append(text: DeskPrinter.oneLine(value))
    }
  }
}
