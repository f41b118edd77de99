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
  }

  /// A table, or a scan of it, as SQLite holds it.
  private final class TableBox {
    let table: any SystemTable
    init(_ table: any SystemTable) { self.table = table }
  }

  private final class CursorBox {
    let table: any SystemTable
    var cursor: (any SystemCursor)?
    let row = RowBuffer()
    var isAtEnd = true
    var index: Int64 = 0
    init(_ table: any SystemTable) { self.table = table }
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
      made.pointee.context = Unmanaged.passRetained(TableBox(table)).toOpaque()
      result?.pointee = UnsafeMutableRawPointer(made).assumingMemoryBound(to: sqlite3_vtab.self)
      return SQLITE_OK
    }

  private static func table(_ handle: UnsafeMutablePointer<sqlite3_vtab>?) -> any SystemTable {
    guard let context = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_vtab.self).pointee.context
    else { preconditionFailure("SQLite named no virtual table") }
    return Unmanaged<TableBox>.fromOpaque(context).takeUnretainedValue().table
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

  /// The plan travels to `filter` as a text of SQLite's: `COLUMNSUSED column:comparison …`.
  private static func bestIndex(
    _ handle: UnsafeMutablePointer<sqlite3_vtab>?, _ index: UnsafeMutablePointer<sqlite3_index_info>?
  ) -> Int32 {
    guard let index else { return SQLITE_ERROR }
    let table = table(handle)
    var conditions: [(place: Int, condition: SystemCondition)] = []
    for place in 0..<Int(index.pointee.nConstraint) {
      let constraint = index.pointee.aConstraint[place]
      guard constraint.usable != 0, constraint.iColumn >= 0, let comparison = comparison(constraint.op) else {
        continue
      }
      conditions.append((place, SystemCondition(column: Int(constraint.iColumn), comparison: comparison)))
    }
    let plan = table.plan(conditions.map { $0.condition })
    var text = String(index.pointee.colUsed)
    for (argument, chosen) in plan.chosen.enumerated() {
      index.pointee.aConstraintUsage[conditions[chosen].place].argvIndex = Int32(argument + 1)
      let condition = conditions[chosen].condition
      text += " \(condition.column):\(condition.comparison.rawValue)"
    }
    index.pointee.idxStr = mt_message(text)
    index.pointee.needToFreeIdxStr = 1
    index.pointee.estimatedRows = Int64(plan.rows)
    index.pointee.estimatedCost = Double(plan.rows)
    if index.pointee.nOrderBy == 1, let column = plan.orderedBy,
      index.pointee.aOrderBy[0].iColumn == Int32(column),
      index.pointee.aOrderBy[0].desc == 0
    {
      index.pointee.orderByConsumed = 1
    }
    return SQLITE_OK
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
    let words = plan.map { String(cString: $0).split(separator: " ") } ?? []
    var conditions: [(condition: SystemCondition, value: SystemValue)] = []
    for (argument, word) in words.dropFirst().enumerated() where argument < Int(count) {
      let parts = word.split(separator: ":")
      guard parts.count == 2, let column = Int(parts[0]), let raw = UInt8(parts[1]),
        let comparison = SystemCondition.Comparison(rawValue: raw)
      else { preconditionFailure("a plan reads \(word)") }
      let condition = SystemCondition(column: column, comparison: comparison)
      conditions.append((condition, value(values?[argument])))
    }
    do {
      box.cursor = try box.table.open(conditions, columnsUsed: words.first.flatMap { UInt64($0) } ?? .max)
      box.index = -1
    } catch { return fail(handle, error) }
    return next(handle)
  }

  private static func next(_ handle: UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 {
    let box = cursor(handle)
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
