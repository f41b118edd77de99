import CSQLite
import MoontideCore

/// Shows `SystemTable`s to SQLite as virtual tables. <https://www.sqlite.org/vtab.html>
///
/// Every callback is a C function that finds its Swift object behind the `context` of a struct of ours; an
/// error becomes a code and a message, never an unwinding through C.
enum SystemTableModule {
  /// What SQLite keeps with the module: the tables by lower-case name.
  final class Registry {
    var tables: [String: any SystemTable] = [:]
    /// Of the query that runs.
    var guardian: QueryGuard?
  }

  /// A table, or a scan of it, as SQLite holds it.
  private final class TableBox {
    let table: any SystemTable
    let registry: Registry
    init(_ table: any SystemTable, _ registry: Registry) {
      self.table = table
      self.registry = registry
    }
  }

  private final class CursorBox {
    let home: TableBox
    var cursor: (any SystemCursor)?
    let row = RowBuffer()
    var isAtEnd = true
    var index: Int64 = 0
    init(_ home: TableBox) { self.home = home }
  }

  static let name = "moontide_system"

  /// Makes the module known to a connection, which keeps the registry until it is closed.
  static func register(_ registry: Registry, on connection: Connection) {
    let code = sqlite3_create_module_v2(
      connection.handle, name, module, Unmanaged.passRetained(registry).toOpaque(),
      { if let context = $0 { Unmanaged<Registry>.fromOpaque(context).release() } })
    precondition(code == SQLITE_OK, "SQLite refused the module \(name) with code \(code)")
  }

  /// Written once, before any connection uses it, and never freed.
  nonisolated(unsafe) private static let module: UnsafePointer<sqlite3_module> = {
    var module = sqlite3_module()
    module.iVersion = 1
    module.xCreate = connect
    module.xConnect = connect
    module.xBestIndex = { bestIndex($0, $1) }
    module.xDisconnect = { disconnect($0) }
    module.xDestroy = { disconnect($0) }
    module.xOpen = { open($0, $1) }
    module.xClose = { close($0) }
    module.xFilter = { filter($0, $1, $2, $3, $4) }
    module.xNext = { next($0) }
    module.xEof = { cursor($0).isAtEnd ? 1 : 0 }
    module.xColumn = { column($0, $1, $2) }
    module.xRowid = { handle, result in
      result?.pointee = cursor(handle).index
      return SQLITE_OK
    }
    let place = UnsafeMutablePointer<sqlite3_module>.allocate(capacity: 1)
    place.initialize(to: module)
    return UnsafePointer(place)
  }()

  private static let connect:
    @convention(c) (
      OpaquePointer?, UnsafeMutableRawPointer?, Int32, UnsafePointer<UnsafePointer<CChar>?>?,
      UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab>?>?,
      UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> Int32 = { handle, context, count, arguments, result, message in
      guard let handle, let context, let arguments, count > 2, let name = arguments[2] else {
        return SQLITE_ERROR
      }
      let registry = Unmanaged<Registry>.fromOpaque(context).takeUnretainedValue()
      guard let table = registry.tables[String(cString: name).lowercased()] else {
        message?.pointee = mt_message("no such system table: \(String(cString: name))")
        return SQLITE_ERROR
      }
      let columns = table.columns.map { "\(quoted($0.name)) \($0.kind.rawValue)" }.joined(separator: ", ")
      let code = sqlite3_declare_vtab(handle, "create table x(\(columns))")
      if code != SQLITE_OK { return code }
      let made = UnsafeMutablePointer<mt_vtab>.allocate(capacity: 1)
      made.initialize(to: mt_vtab())
      made.pointee.context = Unmanaged.passRetained(TableBox(table, registry)).toOpaque()
      result?.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab.self)
      return SQLITE_OK
    }

  private static func table(_ handle: UnsafeMutablePointer<sqlite3_vtab>?) -> TableBox {
    guard let context = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_vtab.self).pointee.context
    else { preconditionFailure("SQLite named no virtual table") }
    return Unmanaged<TableBox>.fromOpaque(context).takeUnretainedValue()
  }

  private static func disconnect(_ handle: UnsafeMutablePointer<sqlite3_vtab>?) -> Int32 {
    guard let own = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_vtab.self) else {
      return SQLITE_OK
    }
    if let context = own.pointee.context { Unmanaged<TableBox>.fromOpaque(context).release() }
    own.deinitialize(count: 1)
    own.deallocate()
    return SQLITE_OK
  }

  private static func cursor(_ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> CursorBox {
    guard
      let context = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_cursor.self).pointee.context
    else { preconditionFailure("SQLite named no cursor") }
    return Unmanaged<CursorBox>.fromOpaque(context).takeUnretainedValue()
  }

  private static func open(
    _ handle: UnsafeMutablePointer<sqlite3_vtab>?,
    _ result: UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab_cursor>?>?
  ) -> Int32 {
    let made = UnsafeMutablePointer<mt_cursor>.allocate(capacity: 1)
    made.initialize(to: mt_cursor())
    made.pointee.context = Unmanaged.passRetained(CursorBox(table(handle))).toOpaque()
    result?.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab_cursor.self)
    return SQLITE_OK
  }

  private static func close(_ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 {
    guard let own = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_cursor.self) else {
      return SQLITE_OK
    }
    if let context = own.pointee.context { Unmanaged<CursorBox>.fromOpaque(context).release() }
    own.deinitialize(count: 1)
    own.deallocate()
    return SQLITE_OK
  }

  // MARK: Planning

  /// The plan travels to `filter` as a text of SQLite's, which `explain query plan` shows too:
  /// `WAY [column comparison …] COLUMNSUSED`.
  private static func bestIndex(
    _ handle: UnsafeMutablePointer<sqlite3_vtab>?, _ index: UnsafeMutablePointer<sqlite3_index_info>?
  ) -> Int32 {
    guard let index else { return SQLITE_ERROR }
    let table = table(handle).table
    var places: [Int] = []
    var question = SystemQuestion(conditions: [], columnsUsed: index.pointee.colUsed)
    for place in 0..<Int(index.pointee.nConstraint) {
      let constraint = index.pointee.aConstraint[place]
      guard constraint.usable != 0, constraint.iColumn >= 0, let comparison = comparison(constraint.op) else {
        continue
      }
      // Texts are looked up by their bytes.
      guard let collation = sqlite3_vtab_collation(index, Int32(place)),
        String(cString: collation).uppercased() == "BINARY"
      else { continue }
      places.append(place)
      question.conditions.append(
        SystemCondition(column: Int(constraint.iColumn), comparison: comparison))
    }
    for place in 0..<Int(index.pointee.nOrderBy) {
      let term = index.pointee.aOrderBy[place]
      question.order.append(SystemOrder(Int(term.iColumn), isDescending: term.desc != 0))
    }
    question.isDistinct = sqlite3_vtab_distinct(index) >= 2
    let plan = table.plan(question)
    var words: [String] = []
    for (argument, chosen) in plan.chosen.enumerated() {
      index.pointee.aConstraintUsage[places[chosen]].argvIndex = Int32(argument + 1)
      let condition = question.conditions[chosen]
      words.append(table.columns[condition.column].name + symbols[Int(condition.comparison.rawValue)])
    }
    index.pointee.idxNum = plan.choice
    index.pointee.idxStr = mt_message(
      "\(plan.way) [\(words.joined(separator: " "))] \(index.pointee.colUsed)")
    index.pointee.needToFreeIdxStr = 1
    index.pointee.estimatedRows = Int64(plan.rows)
    index.pointee.estimatedCost = Double(plan.rows)
    if plan.isOrdered, !question.order.isEmpty { index.pointee.orderByConsumed = 1 }
    return SQLITE_OK
  }

  /// By the raw values of `SystemCondition.Comparison`.
  private static let symbols = ["=", "<", "<=", ">", ">="]

  /// What `bestIndex` wrote.
  private static func read(
    _ plan: String, _ table: any SystemTable
  ) -> (conditions: [SystemCondition], columnsUsed: UInt64)? {
    let parts = plan.split(separator: "[", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let close = parts[1].lastIndex(of: "]"),
      let columnsUsed = UInt64(parts[1][close...].dropFirst(2))
    else { return nil }
    var conditions: [SystemCondition] = []
    for word in parts[1][..<close].split(separator: " ") {
      let name = word.prefix { !"<>=".contains($0) }
      guard let column = table.columns.firstIndex(where: { $0.name == name }),
        let symbol = symbols.firstIndex(of: String(word.dropFirst(name.count))),
        let comparison = SystemCondition.Comparison(rawValue: UInt8(symbol))
      else { return nil }
      conditions.append(SystemCondition(column: column, comparison: comparison))
    }
    return (conditions, columnsUsed)
  }

  private static func comparison(_ code: UInt8) -> SystemCondition.Comparison? {
    switch Int32(code) {
    case SQLITE_INDEX_CONSTRAINT_EQ: .equal
    case SQLITE_INDEX_CONSTRAINT_LT: .less
    case SQLITE_INDEX_CONSTRAINT_LE: .lessOrEqual
    case SQLITE_INDEX_CONSTRAINT_GT: .greater
    case SQLITE_INDEX_CONSTRAINT_GE: .greaterOrEqual
    default: nil
    }
  }

  // MARK: Scanning

  private static func filter(
    _ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?, _ number: Int32, _ plan: UnsafePointer<CChar>?,
    _ count: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?
  ) -> Int32 {
    let box = cursor(handle)
    let text = plan.map { String(cString: $0) } ?? ""
    guard let plan = read(text, box.home.table) else { preconditionFailure("a plan reads \(text)") }
    var conditions: [(condition: SystemCondition, value: SystemValue)] = []
    for (argument, condition) in plan.conditions.enumerated() where argument < Int(count) {
      conditions.append((condition, value(values?[argument])))
    }
    let guardian = box.home.registry.guardian
    // A join begins a scan for each row of another table: SQLite looks at its clock too seldom for those.
    if guardian?.look() == true { return fail(handle, .refused("the query was stopped")) }
    do {
      box.cursor = try box.home.table.open(
        SystemScan(conditions: conditions, columnsUsed: plan.columnsUsed, choice: number) {
          guardian?.look() ?? false
        })
      box.index = -1
    } catch { return fail(handle, error) }
    return next(handle)
  }

  private static func next(_ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 {
    let box = cursor(handle)
    if box.index >= 0, box.cursor?.repeats() == true {
      box.index += 1
      return SQLITE_OK
    }
    box.row.removeAll()
    do {
      box.isAtEnd = try !(box.cursor?.next(into: box.row) ?? false)
      box.index += 1
      return SQLITE_OK
    } catch { return fail(handle, error) }
  }

  private static func fail(_ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?, _ error: StoreError) -> Int32
  {
    if let table = handle?.pointee.pVtab {
      sqlite3_free(table.pointee.zErrMsg)
      table.pointee.zErrMsg = mt_message(error.text)
    }
    return SQLITE_ERROR
  }

  private static func column(
    _ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?, _ context: OpaquePointer?, _ column: Int32
  ) -> Int32 {
    let row = cursor(handle).row
    guard row.cells.indices.contains(Int(column)) else { return SQLITE_OK }
    let cell = row.cells[Int(column)]
    switch cell.kind {
    case .absent, .null: sqlite3_result_null(context)
    case .integer: sqlite3_result_int64(context, cell.bits)
    case .real: sqlite3_result_double(context, cell.real)
    case .text, .blob:
      row.bytes.withUnsafeBufferPointer { bytes in
        let start = (bytes.baseAddress ?? Statement.nothing) + Int(cell.part.start)
        if cell.kind == .blob { return mt_result_blob(context, start, Int32(cell.part.count)) }
        mt_result_text(
          context, UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), Int32(cell.part.count))
      }
    }
    return SQLITE_OK
  }

  private static func value(_ handle: OpaquePointer?) -> SystemValue {
    switch sqlite3_value_type(handle) {
    case SQLITE_INTEGER: return .integer(sqlite3_value_int64(handle))
    case SQLITE_FLOAT: return .real(sqlite3_value_double(handle))
    case SQLITE_NULL: return .null
    case let type:
      let start = sqlite3_value_blob(handle)
      let count = Int(sqlite3_value_bytes(handle))
      let bytes = start.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) } ?? []
      return type == SQLITE_TEXT ? .text(String(decoding: bytes, as: UTF8.self)) : .blob(bytes)
    }
  }
}

extension StoreError {
  /// The text alone, for places that add their own.
  var text: String {
    switch self {
    case .refused(let text), .constraint(let text), .foldedConstraint(let text): text
    case .full(let path): "no room on the disk for \(path)"
    case .damaged(let path, let reason), .io(let path, let reason), .exhausted(let path, let reason):
      "\(path): \(reason)"
    }
  }
}
