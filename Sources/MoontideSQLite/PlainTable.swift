import MoontideCore

/// Row operations on an ordinary table, one statement each or merged by a `FoldTable`.
final class PlainTable: RowTable {
  let shape: TableShape
  private let connection: Connection
  private let place: FoldMark
  private let sql: RowSQL
  private let keyColumns: [Int]
  private let keyMask: UInt64
  private let requiredMask: UInt64
  private let width: Int
  private let isKeyless: Bool
  private let hasRowConstraints: Bool
  private let keyIsRowID: Bool
  private let slots = StatementSlots()
  @exclusivity(unchecked) private var fold: FoldTable?
  /// `fold`, without a count of references per operation.
  @exclusivity(unchecked) private var borrowedFold: Unmanaged<FoldTable>?
  /// Takes the place of `fold` while that is written.
  private var spare: FoldTable?
  @exclusivity(unchecked) private var isFolding = false
  private var pause = FoldPause()
  /// What a marked event did to rows, between the two halves of a flush.
  private var since: [FoldRows.Since] = []

  private enum Form {
    static let put: UInt8 = 1
    static let insert: UInt8 = 2
    static let update: UInt8 = 3
    static let get: UInt8 = 4
    static let delete: UInt8 = 5
    static let add: UInt8 = 6
    static let each: UInt8 = 7
    static let exists: UInt8 = 8
    static let merged: UInt8 = 9
  }

  init(_ shape: TableShape, _ connection: Connection, _ place: FoldMark) {
    self.shape = shape
    self.place = place
    self.connection = connection
    sql = RowSQL(shape: shape)
    keyColumns = shape.table.keyColumns
    keyMask = shape.keyMask
    requiredMask = shape.requiredMask
    width = shape.width
    fold = shape.isFoldable ? FoldTable(shape) : nil
    borrowedFold = fold.map(Unmanaged.passUnretained)
    isKeyless = shape.kind == .keyless
    hasRowConstraints = shape.hasRowConstraints
    keyIsRowID = shape.keyIsRowID
  }

  func beginFolding() {
    // What is written by another thread is merged in any case: a statement of this one would wait for it.
    isFolding = fold != nil && (place.isDeferred || pause.allowsNext())
  }

  func run(_ operation: RowOperation, _ arguments: CellSpan, into result: RowBuffer) throws(StoreError)
    -> Bool
  {
    if isKeyless, operation != .put, operation != .each {
      throw .refused("\(shape.name) has no primary key: only put and each work on it")
    }
    precondition(
      arguments.count == cellCount(operation), "\(operation) on \(shape.name) got \(arguments.count) cells")
    if isFolding, let borrowedFold {
      let answer = borrowedFold._withUnsafeGuaranteedRef { $0.run(operation, arguments, into: result) }
      switch answer {
      case .done(let answer):
        if !place.isSet, borrowedFold._withUnsafeGuaranteedRef({ $0.isLarge }) { try flush() }
        return answer
      case .direct: break
      case .flushFirst:
        try place.isSet ? place.flush() : flush()
      }
    }
    if place.isDeferred { try place.engage() }
    if operation != .get, operation != .each { try place.beforeWriting() }
    switch operation {
    case .put: return try put(arguments)
    case .get: return try get(arguments, result)
    case .update: return try update(arguments, arguments.dropping(keyColumns.count))
    case .delete: return try delete(arguments)
    case .add: return try add(arguments, arguments.dropping(keyColumns.count))
    case .each: return try each(arguments, result)
    }
  }

  /// `run` for a caller that only borrows this object: closures of the standard library throw no typed error.
  @inline(__always)
  func answer(_ operation: RowOperation, _ arguments: CellSpan, into result: RowBuffer) -> Result<
    Bool, StoreError
  > {
    do throws(StoreError) { return .success(try run(operation, arguments, into: result)) } catch {
      return .failure(error)
    }
  }

  private func cellCount(_ operation: RowOperation) -> Int {
    switch operation {
    case .put, .each: width
    case .get, .delete: keyColumns.count
    case .update, .add: keyColumns.count + width
    }
  }

  // MARK: One statement each

  private func put(_ row: CellSpan) throws(StoreError) -> Bool {
    let mask = row.mask(width)
    if isKeyless || (keyIsRowID && mask & keyMask == 0) {
      return try insert(row, mask)
    }
    for column in keyColumns where row[column].kind == .absent || row[column].kind == .null {
      throw .refused("put on \(shape.name) needs its key: \(shape.columns[column].name) is missing")
    }
    // An insert is checked as a whole row before SQLite looks for the one that is there.
    let isWhole = mask & requiredMask == requiredMask && !hasRowConstraints
    guard isWhole else { return try updateOrInsert(row, mask) }
    let statement = try slots.statement(Form.put, mask, 0, connection) { sql.put(mask) }
    try bind(statement, row, mask, from: 1)
    try statement.finish()
    return true
  }

  private func insert(_ row: CellSpan, _ mask: UInt64) throws(StoreError) -> Bool {
    let statement = try slots.statement(Form.insert, mask, 0, connection) { sql.insert(mask) }
    try bind(statement, row, mask, from: 1)
    try statement.finish()
    return true
  }

  private func updateOrInsert(_ row: CellSpan, _ mask: UInt64) throws(StoreError) -> Bool {
    let changes = mask & ~keyMask
    let isThere: Bool
    if changes == 0 {
      let statement = try slots.statement(Form.exists, 0, 0, connection) { sql.exists }
      try bind(statement, row, keyMaskOrdered: 1)
      isThere = try statement.step()
      statement.reset()
    } else {
      let statement = try slots.statement(Form.update, changes, 0, connection) { sql.update(changes) }
      try bind(statement, row, keyMaskOrdered: bind(statement, row, changes, from: 1))
      try statement.finish()
      isThere = connection.changes > 0
    }
    if isThere { return true }
    return try insert(row, mask)
  }

  private func get(_ key: CellSpan, _ result: RowBuffer) throws(StoreError) -> Bool {
    let statement = try slots.statement(Form.get, 0, 0, connection) { sql.get }
    try bindKey(statement, key, from: 1)
    let isThere = try statement.step()
    if isThere { statement.read(into: result) }
    statement.reset()
    return isThere
  }

  private func update(_ key: CellSpan, _ row: CellSpan) throws(StoreError) -> Bool {
    let mask = row.mask(width)
    if mask == 0 {
      let statement = try slots.statement(Form.exists, 0, 0, connection) { sql.exists }
      try bindKey(statement, key, from: 1)
      defer { statement.reset() }
      return try statement.step()
    }
    let statement = try slots.statement(Form.update, mask, 0, connection) { sql.update(mask) }
    try bindKey(statement, key, from: bind(statement, row, mask, from: 1))
    try statement.finish()
    return connection.changes > 0
  }

  private func delete(_ key: CellSpan) throws(StoreError) -> Bool {
    let statement = try slots.statement(Form.delete, 0, 0, connection) { sql.delete }
    try bindKey(statement, key, from: 1)
    try statement.finish()
    return connection.changes > 0
  }

  private func add(_ key: CellSpan, _ row: CellSpan) throws(StoreError) -> Bool {
    let mask = row.mask(width)
    try checkAdd(key, row, mask)
    let unnamed = requiredMask & ~(mask | keyMask)
    if mask == 0, try update(key, row) { return true }
    if unnamed != 0 || hasRowConstraints, mask != 0 {
      let update = try slots.statement(Form.add, mask, 1, connection) { addUpdate(mask) }
      try bindKey(update, key, from: bind(update, row, mask, from: 1))
      try update.finish()
      if connection.changes > 0 { return true }
    }
    let statement = try slots.statement(Form.add, mask, 0, connection) {
      sql.merge(set: keyMask, add: mask, guarded: false)
    }
    try bind(statement, row, mask, from: bindKeyInColumnOrder(statement, key))
    try statement.finish()
    return true
  }

  private func checkAdd(_ key: CellSpan, _ row: CellSpan, _ mask: UInt64) throws(StoreError) {
    if mask & keyMask != 0 { throw .refused("add on \(shape.name) cannot change its key") }
    for index in keyColumns.indices where key[index].kind == .null || key[index].kind == .absent {
      throw .refused(
        "add on \(shape.name) needs its key: \(shape.columns[keyColumns[index]].name) is missing")
    }
    for column in 0..<width where mask & 1 << UInt64(column) != 0 {
      guard row[column].kind == .integer || row[column].kind == .real else {
        throw .refused("add takes numbers; \(shape.columns[column].name) got \(row[column].kind)")
      }
    }
  }

  private func addUpdate(_ mask: UInt64) -> String {
    let names = shape.names(mask).map(quoted)
    let changes = names.enumerated().map { "\($1) = ifnull(\($1), 0) + ?\($0 + 1)" }
    return "update \(sql.name) set \(changes.joined(separator: ", ")) where "
      + sql.keyCondition(from: names.count + 1)
  }

  private func each(_ row: CellSpan, _ result: RowBuffer) throws(StoreError) -> Bool {
    let mask = row.mask(width)
    let statement = try slots.statement(Form.each, mask, 0, connection) {
      sql.each(mask, order: shape.kind == .keyless ? ["rowid"] : sql.keys)
    }
    try bind(statement, row, mask, from: 1)
    try statement.readAll(into: result)
    return true
  }

  // MARK: Merged

  func flush() throws(StoreError) {
    guard let fold, fold.count > 0 else { return }
    if place.isDeferred { try place.engage() }
    pause.note(merged: fold.merged, rows: fold.count)
    defer { fold.removeAll() }
    try fold.forEach { (row, set, add) throws(StoreError) in try merge(row, set, add) }
  }

  /// Gives away what is held back, to be written by another thread while this one holds back more; nil when
  /// that is nothing.
  func handOver() -> LateCommit.Job? {
    guard isFolding, let full = fold, full.count > 0 else { return nil }
    pause.note(merged: full.merged, rows: full.count)
    let empty = spare ?? FoldTable(shape)
    spare = nil
    fold = empty
    borrowedFold = Unmanaged.passUnretained(empty)
    return { [self] () throws(StoreError) in
      try full.forEach { (row, set, add) throws(StoreError) in try merge(row, set, add) }
      full.removeAll()
      spare = full
    }
  }

  private func merge(_ row: CellSpan, _ set: UInt64, _ add: UInt64) throws(StoreError) {
    do {
      let statement = try slots.statement(Form.merged, set, add, connection) {
        sql.merge(set: set, add: add, guarded: true)
      }
      try bind(statement, row, add, from: bind(statement, row, set, from: 1))
      try statement.finish()
    } catch {
      switch error {
      case .constraint(let text), .refused(let text): throw .foldedConstraint(text)
      case .foldedConstraint, .full, .exhausted, .damaged, .io: throw error
      }
    }
    if add != 0, connection.changes == 0 {
      throw .foldedConstraint("sums in \(shape.name) cannot be merged exactly")
    }
  }

  var hasOlder: Bool { isFolding && fold?.hasOlder == true }

  func flushOlder() throws(StoreError) {
    since = []
    guard isFolding, let fold, fold.count > 0 else { return }
    pause.note(merged: fold.merged, rows: fold.count)
    since = fold.takeSince()
    try fold.forEach { (row, set, add) throws(StoreError) in try merge(row, set, add) }
  }

  func flushSince() throws(StoreError) {
    guard isFolding, let fold else { return }
    defer {
      since = []
      fold.removeAll()
      fold.mark()
    }
    try fold.forEach(since) { (row, set, add) throws(StoreError) in try merge(row, set, add) }
  }

  func mark() throws(StoreError) {
    if isFolding, fold?.isLarge == true { try flush() }
    _ = hasMarked()
  }

  /// `mark` for a caller that only borrows this object, before every event; false when there is more to do.
  @inline(__always)
  func hasMarked() -> Bool {
    guard isFolding, let borrowedFold else { return true }
    return borrowedFold._withUnsafeGuaranteedRef { fold in
      if fold.isLarge { return false }
      fold.mark()
      return true
    }
  }

  func undo(inFile: Bool) { if isFolding { fold?.undo() } }

  func discard() {
    // Of a flush that was refused between its halves.
    since = []
    fold?.removeAll()
    if isFolding { pause.judge() }
    isFolding = false
  }

  // MARK: Binding

  /// Binds the named columns in order and says which parameter is next.
  @inline(__always)
  @discardableResult
  private func bind(_ statement: Statement, _ row: CellSpan, _ mask: UInt64, from first: Int)
    throws(StoreError) -> Int
  {
    var place = first
    var rest = mask
    while rest != 0 {
      try statement.bind(place, row[rest.trailingZeroBitCount], row.bytes)
      place += 1
      rest &= rest - 1
    }
    return place
  }

  /// Binds the key out of a row, in the key's order.
  private func bind(_ statement: Statement, _ row: CellSpan, keyMaskOrdered first: Int) throws(StoreError) {
    for (index, column) in keyColumns.enumerated() {
      try statement.bind(first + index, row[column], row.bytes)
    }
  }

  @inline(__always)
  private func bindKey(_ statement: Statement, _ key: CellSpan, from first: Int) throws(StoreError) {
    for index in 0..<keyColumns.count { try statement.bind(first + index, key[index], key.bytes) }
  }

  /// Binds a key where its columns stand in the order of the schema, and says which parameter is next.
  private func bindKeyInColumnOrder(_ statement: Statement, _ key: CellSpan) throws(StoreError) -> Int {
    var place = 1
    var rest = keyMask
    while rest != 0 {
      let column = rest.trailingZeroBitCount
      for index in 0..<keyColumns.count where keyColumns[index] == column {
        try statement.bind(place, key[index], key.bytes)
      }
      place += 1
      rest &= rest - 1
    }
    return place
  }
}
