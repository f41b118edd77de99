import MoontideCore

/// Row operations on one table of a handler. A transaction calls `run`; `flush` writes what is held back.
protocol RowTable: AnyObject {
  var shape: TableShape { get }
  /// Does what `RowOperation` says; `result` is empty before.
  func run(_ operation: RowOperation, _ arguments: CellSpan, into result: RowBuffer) throws(StoreError)
    -> Bool
  /// Holding back may begin, or must end, with the next transaction.
  func beginFolding()
  /// Writes everything that is held back. Throws `foldedConstraint` when a merged row is refused.
  func flush() throws(StoreError)
  /// Whether operations from before the mark are held back.
  var hasOlder: Bool { get }
  /// Writes what was held back before the mark.
  func flushOlder() throws(StoreError)
  /// Writes what was held back since the mark, behind `flushOlder`.
  func flushSince() throws(StoreError)
  /// Marks a place to come back to in what is held back.
  func mark() throws(StoreError)
  /// Forgets what was held back since the mark; with `inFile`, SQLite has undone what was written since, too.
  func undo(inFile: Bool)
  /// Forgets what is held back, for a rollback.
  func discard()
  /// SQL of the script changed the table, in the same transaction.
  func changedOutside() throws(StoreError)
  /// Makes what is stored a function of the rows alone, outside a transaction.
  func settle() throws(StoreError)
}

extension RowTable {
  func beginFolding() {}
  func flush() throws(StoreError) {}
  var hasOlder: Bool { false }
  func flushOlder() throws(StoreError) {}
  func flushSince() throws(StoreError) {}
  func mark() throws(StoreError) {}
  func undo(inFile: Bool) { if inFile { discard() } }
  func discard() {}
  func changedOutside() throws(StoreError) {}
  func settle() throws(StoreError) {}
}

extension Statement {
  /// Appends all rows that are left, and resets. Throws `refused` when they are too many to hold.
  func readAll(into result: RowBuffer) throws(StoreError) {
    while try step() {
      read(into: result)
      if result.cells.count > Limits.resultCellsMax {
        reset()
        throw .refused("a result has at most \(Limits.resultCellsMax) values: ask for fewer rows or columns")
      }
      if result.bytes.count > Limits.resultBytesMax {
        reset()
        throw .refused("a result has at most \(Limits.resultBytesMax) bytes: ask for fewer rows or columns")
      }
    }
    reset()
  }
}

/// A statement for each (operation, columns): a table meets few of them.
final class StatementSlots {
  private struct Slot {
    var form: UInt8
    var first: UInt64
    var second: UInt64
    /// Kept alive by `statements`.
    var statement: Unmanaged<Statement>
  }
  @exclusivity(unchecked) private var slots: [Slot] = []
  private var statements: [Statement] = []

  /// The statement of a form, of the columns in `first` and `second`, made by `text` when it is new.
  @inline(__always)
  func statement(
    _ form: UInt8, _ first: UInt64, _ second: UInt64, _ connection: Connection, _ text: () -> String
  ) throws(StoreError) -> Statement {
    let found = slots.withUnsafeBufferPointer { slots -> Unmanaged<Statement>? in
      for index in 0..<slots.count
      where slots[index].first == first && slots[index].form == form && slots[index].second == second {
        return slots[index].statement
      }
      return nil
    }
    if let found { return found.takeUnretainedValue() }
    return try make(form, first, second, connection, text())
  }

  private func make(
    _ form: UInt8, _ first: UInt64, _ second: UInt64, _ connection: Connection, _ text: String
  ) throws(StoreError) -> Statement {
    // Scripts name columns in few combinations; a generator of combinations starts over now and then.
    if slots.count >= Limits.preparedStatementsMax {
      slots.removeAll()
      statements.removeAll()
    }
    let made = try connection.prepare(text)
    statements.append(made)
    slots.append(Slot(form: form, first: first, second: second, statement: .passUnretained(made)))
    return made
  }
}

/// The SQL of row operations. Parameters are numbered in the order in which the cells are bound.
struct RowSQL {
  let shape: TableShape

  var name: String { quoted(shape.name) }
  var keys: [String] { shape.table.keyColumns.map { quoted(shape.columns[$0].name) } }
  var allColumns: String { shape.columns.map { quoted($0.name) }.joined(separator: ", ") }

  private func list(_ mask: UInt64) -> [String] { shape.names(mask).map(quoted) }
  private func parameters(_ count: Int, from first: Int = 1) -> String {
    (0..<count).map { "?\(first + $0)" }.joined(separator: ", ")
  }

  func keyCondition(from first: Int) -> String {
    keys.enumerated().map { "\($1) = ?\(first + $0)" }.joined(separator: " and ")
  }

  /// Parameters: the named columns in order.
  func insert(_ mask: UInt64) -> String {
    let names = list(mask)
    if names.isEmpty { return "insert into \(name) default values" }
    return "insert into \(name)(\(names.joined(separator: ", "))) values (\(parameters(names.count)))"
  }

  /// Parameters: the named columns in order; the key is among them.
  func put(_ mask: UInt64) -> String {
    let changes = list(mask & ~shape.keyMask)
    let action =
      changes.isEmpty
      ? "nothing" : "update set " + changes.map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
    return insert(mask) + " on conflict(\(keys.joined(separator: ", "))) do \(action)"
  }

  /// Parameters: the named columns in order, then the key.
  func update(_ mask: UInt64) -> String {
    let names = list(mask)
    let changes = names.enumerated().map { "\($1) = ?\($0 + 1)" }.joined(separator: ", ")
    return "update \(name) set \(changes) where \(keyCondition(from: names.count + 1))"
  }

  /// Parameters: the key.
  var get: String { "select \(allColumns) from \(name) where \(keyCondition(from: 1))" }
  var exists: String { "select 1 from \(name) where \(keyCondition(from: 1))" }
  var delete: String { "delete from \(name) where \(keyCondition(from: 1))" }

  /// What a new row holds before something is added to it.
  func start(_ column: Int) -> String {
    "ifnull(\(shape.columns[column].defaultSQL.map { "(\($0))" } ?? "0"), 0)"
  }

  /// Parameters: the columns in `set` (the key among them) in order, then those in `add`. With `guarded`, a
  /// row in which the sum could come out otherwise than by single additions is left alone.
  func merge(set: UInt64, add: UInt64, guarded: Bool) -> String {
    let sets = list(set)
    let adds = shape.columns.indices.filter { add & 1 << UInt64($0) != 0 }
    let names = sets + adds.map { quoted(shape.columns[$0].name) }
    var values = (0..<sets.count).map { "?\($0 + 1)" }
    var changes = list(set & ~shape.keyMask).map { "\($0) = excluded.\($0)" }
    var conditions: [String] = []
    for (index, column) in adds.enumerated() {
      let place = sets.count + index + 1
      let column = (name: quoted(shape.columns[column].name), start: start(column))
      values.append("\(column.start) + ?\(place)")
      changes.append("\(column.name) = ifnull(\(column.name), 0) + ?\(place)")
      let sum = "ifnull(\(column.name), 0)"
      conditions.append(
        "typeof(\(sum)) = 'integer' and \(sum) between -\(Limits.foldedSumMax) and \(Limits.foldedSumMax)")
    }
    let insert =
      "insert into \(name)(\(names.joined(separator: ", "))) values (\(values.joined(separator: ", ")))"
    let target = " on conflict(\(keys.joined(separator: ", "))) do "
    if changes.isEmpty { return insert + target + "nothing" }
    let condition = guarded && !adds.isEmpty ? " where " + conditions.joined(separator: " and ") : ""
    return insert + target + "update set " + changes.joined(separator: ", ") + condition
  }

  /// Parameters: the conditions in order.
  func each(_ mask: UInt64, order: [String]) -> String {
    let conditions = list(mask).enumerated().map { "\($1) is ?\($0 + 1)" }.joined(separator: " and ")
    return "select \(allColumns) from \(name)" + (conditions.isEmpty ? "" : " where " + conditions)
      + " order by " + order.joined(separator: ", ")
  }
}
