import Foundation
@testable import MoontideSQLite
import MoontideCore

/// A directory of one test, removed when it is released.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "moontide-sqlite-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: path) } catch { print("cannot remove \(path): \(error)") }
  }

  func file(_ name: String) -> String { path + "/" + name }
}

/// A projection's store of that schema, in a file of its own.
func makeStore(_ scratch: Scratch, _ schema: String, name: String = "p.sqlite") throws -> ProjectionStore {
  try ProjectionStore.create(
    path: scratch.file(name), schema: schema,
    identity: StoreIdentity(handler: "p", kind: .projection, scriptVersion: "v1"))
}

/// A value of a test row; nil is "not named".
enum Value: Equatable, CustomStringConvertible {
  case null
  case int(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])

  var description: String {
    switch self {
    case .null: "NULL"
    case .int(let value): "\(value)"
    case .real(let value): "\(value)"
    case .text(let value): "'\(value)'"
    case .blob(let value): "x\(value)"
    }
  }
}

extension RowBuffer {
  convenience init(_ values: [Value?]) {
    self.init()
    add(values)
  }

  func add(_ values: [Value?]) {
    for value in values {
      switch value {
      case nil: cells.append(.absent)
      case .null: cells.append(.null)
      case .int(let value): cells.append(.integer(value))
      case .real(let value): cells.append(.real(value))
      case .text(let value): append(text: value)
      case .blob(let value):
        let part = ByteRange(start: bytes.count, count: value.count)
        bytes += value
        cells.append(Cell(kind: .blob, part: part))
      }
    }
  }

  var values: [Value] {
    cells.map { cell in
      switch cell.kind {
      case .absent, .null: .null
      case .integer: .int(cell.bits)
      case .real: .real(cell.real)
      case .text: .text(bytes.text(cell.part))
      case .blob: .blob(Array(bytes[cell.part.indices]))
      }
    }
  }
}

extension EffectTransaction {
  /// Runs an operation and returns (answer, result).
  @discardableResult
  func row(_ operation: RowOperation, _ table: Int, _ values: [Value?]) throws -> (Bool, [Value]) {
    let result = RowBuffer()
    let answer = try row(operation, table: table, arguments: RowBuffer(values), result: result)
    return (answer, result.values)
  }

  @discardableResult
  func sql(_ text: String, _ values: [Value?] = []) throws -> [Value] {
    let result = RowBuffer()
    _ = try sql(text, arguments: RowBuffer(values), result: result)
    return result.values
  }
}

/// Every row of every table of a file as text, shadow tables and rowids included, in a fixed order.
func dump(_ path: String) throws -> String {
  let connection = try Connection(path, .readOnly)
  var tables: [(String, Bool)] = []
  let list = try connection.prepare(
    """
    select name, wr from pragma_table_list
    where schema = 'main' and type <> 'view' and type <> 'virtual' order by 1
    """
  )
  while try list.step() { tables.append((list.text(0), list.integer(1) != 0)) }
  var text = ""
  for (name, isWithoutRowID) in tables {
    let columns = isWithoutRowID ? "*" : "rowid, *"
    let rows = try connection.prepare("select \(columns) from \(quoted(name))")
    var lines: [String] = []
    while try rows.step() {
      let row = RowBuffer()
      rows.read(into: row)
      lines.append(row.values.map { $0.description }.joined(separator: "|"))
    }
    text += name + "\n" + lines.joined(separator: "\n") + "\n"
  }
  return text
}
