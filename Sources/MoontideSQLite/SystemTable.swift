public import MoontideCore

/// A table that is made of something else than a database: shown in SQL as `sys.NAME`. Used by the one thread
/// that runs queries.
public protocol SystemTable: AnyObject {
  /// The name after `sys.`.
  var name: String { get }
  /// At most 64.
  var columns: [SystemColumn] { get }
  /// Chooses among the conditions of a query those that `open` can use. SQLite checks all of them again, so a
  /// cursor may give more rows than asked for, never fewer.
  func plan(_ conditions: [SystemCondition]) -> SystemPlan
  /// Rows that may satisfy the chosen conditions, in the order of `SystemPlan.chosen` with their values.
  /// `columnsUsed` has a bit for each column that the query looks at (bit 63: that and all after it).
  func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor
  /// The same, knowing more of the query; made from the simpler one where a table does not have its own.
  func plan(_ question: SystemQuestion) -> SystemPlan
  /// The same, knowing more of the query; made from the simpler one where a table does not have its own.
  func open(_ scan: SystemScan) throws(StoreError) -> any SystemCursor
}

extension SystemTable {
  public func plan(_ question: SystemQuestion) -> SystemPlan {
    var plan = plan(question.conditions)
    if let column = plan.orderedBy, question.order == [SystemOrder(column, isDescending: false)] {
      plan.isOrdered = true
    }
    return plan
  }

  public func open(_ scan: SystemScan) throws(StoreError) -> any SystemCursor {
    try open(scan.conditions, columnsUsed: scan.columnsUsed)
  }
}

/// What SQLite asks a table when it plans a query. <https://www.sqlite.org/vtab.html#xbestindex>
public struct SystemQuestion: Sendable {
  public var conditions: [SystemCondition]
  /// A bit for each column that the query looks at (bit 63: that and all after it).
  public var columnsUsed: UInt64
  /// Empty: any order will do.
  public var order: [SystemOrder]
  /// Of rows that are equal in the columns of `order` one is enough.
  public var isDistinct: Bool

  public init(
    conditions: [SystemCondition], columnsUsed: UInt64 = .max, order: [SystemOrder] = [],
    isDistinct: Bool = false
  ) {
    self.conditions = conditions
    self.columnsUsed = columnsUsed
    self.order = order
    self.isDistinct = isDistinct
  }
}

public struct SystemOrder: Sendable, Hashable {
  /// Index into the table's columns; negative: the row's number.
  public var column: Int
  public var isDescending: Bool
  public init(_ column: Int, isDescending: Bool) {
    self.column = column
    self.isDescending = isDescending
  }
}

/// One scan of a table, as it was planned.
public struct SystemScan {
  /// In the order of `SystemPlan.chosen`.
  public var conditions: [(condition: SystemCondition, value: SystemValue)]
  /// A bit for each column that the query looks at (bit 63: that and all after it).
  public var columnsUsed: UInt64
  /// What the plan chose, `SystemPlan.choice`.
  public var choice: Int32
  /// Whether the query's time is over. To be asked now and then where much is read for no row: SQLite looks
  /// between rows only. What is thrown then is not shown.
  public var isOver: () -> Bool
}

/// The rows of one scan.
public protocol SystemCursor: AnyObject {
  /// Puts the next row into `row` (emptied before), one cell a column; unused ones may be absent. False at
  /// the end.
  func next(into row: RowBuffer) throws(StoreError) -> Bool
  /// Goes on to the next row if it is equal to the one before it, which then stands for it too.
  func repeats() -> Bool
}

extension SystemCursor {
  public func repeats() -> Bool { false }
}

public struct SystemColumn: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable {
    case integer, real, text, blob
  }
  public var name: String
  public var kind: Kind
  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// `column comparison value`.
public struct SystemCondition: Sendable, Hashable {
  public enum Comparison: UInt8, Sendable, Hashable {
    case equal, less, lessOrEqual, greater, greaterOrEqual
  }
  /// Index into the table's columns.
  public var column: Int
  public var comparison: Comparison
  public init(column: Int, comparison: Comparison) {
    self.column = column
    self.comparison = comparison
  }
}

/// The value of a condition, once a query runs.
public enum SystemValue: Sendable, Hashable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])
}

public struct SystemPlan: Sendable {
  /// Indexes into the conditions that `open` wants.
  public var chosen: [Int]
  /// About how many rows come out, for the choice between plans.
  public var rows: Int
  /// Rows come in rising order of this column, or nil.
  public var orderedBy: Int?
  /// Rows come in the order that the question asks for.
  public var isOrdered = false
  /// A number of the table's own, for `SystemScan.choice`.
  public var choice: Int32 = 0
  /// How rows are found, in a word or two, for `explain query plan`; without `[`.
  public var way = "rows"
  public init(chosen: [Int] = [], rows: Int, orderedBy: Int? = nil) {
    self.chosen = chosen
    self.rows = rows
    self.orderedBy = orderedBy
  }
}

/// A system table whose rows are few: made anew for every scan.
public final class StaticSystemTable: SystemTable {
  public let name: String
  public let columns: [SystemColumn]
  private let rows: () throws(StoreError) -> [[SystemValue]]

  /// `rows` is called at each scan, in the thread of the query; every row has a value for each column.
  public init(
    _ name: String, columns: [SystemColumn], rows: @escaping () throws(StoreError) -> [[SystemValue]]
  ) {
    self.name = name
    self.columns = columns
    self.rows = rows
  }

  public func plan(_ conditions: [SystemCondition]) -> SystemPlan { SystemPlan(rows: 100) }

  public func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor {
    RowListCursor(try rows())
  }
}

/// Goes through rows that are in memory.
public final class RowListCursor: SystemCursor {
  private let rows: [[SystemValue]]
  private var index = 0

  /// - Parameter rows: each with a value for every column.
  public init(_ rows: [[SystemValue]]) { self.rows = rows }

  public func next(into row: RowBuffer) throws(StoreError) -> Bool {
    guard index < rows.count else { return false }
    for value in rows[index] { row.append(value) }
    index += 1
    return true
  }
}

extension RowBuffer {
  /// One cell more.
  public func append(_ value: SystemValue) {
    switch value {
    case .null: cells.append(.null)
    case .integer(let number): cells.append(.integer(number))
    case .real(let number): cells.append(.real(number))
    case .text(let text): append(text: text)
    case .blob(let blob):
      let part = ByteRange(start: bytes.count, count: blob.count)
      bytes.append(contentsOf: blob)
      cells.append(Cell(kind: .blob, part: part))
    }
  }
}
