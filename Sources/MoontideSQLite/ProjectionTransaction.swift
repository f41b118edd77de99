import MoontideCore

/// The transaction of a `ProjectionStore`; one object, used again and again.
final class ProjectionTransaction: EffectTransaction {
  private let connection: Connection
  private let bookkeeping: Bookkeeping
  private let rows: [any RowTable]
  private let place: FoldMark
  /// Those of `rows` that are plain, by place; kept alive by it. Without a count of references per operation.
  private let plain: UnsafeMutablePointer<Unmanaged<PlainTable>?>
  @exclusivity(unchecked) private var isFolding = false
  @exclusivity(unchecked) private var hasSavepoint = false
  @exclusivity(unchecked) private var isOpen = false
  /// SQLite rolled back by itself: nothing may follow but `rollback`, or it would be committed on its own.
  @exclusivity(unchecked) private(set) var isLost = false
  @exclusivity(unchecked) var timeLeft = Limits.handlerTimeDefault
  private let watch = StatementWatch()
  private var kept: [String: Statement] = [:]
  /// Of a file that nobody reads yet: writes a batch while the next one is handled.
  private var writer: LateCommit?
  /// What a deferred transaction is to write beside rows.
  private var held: [EffectEntry] = []
  /// Sees each row as it is written: then nothing is held back.
  var rowWatch: RowWatch?

  init(_ connection: Connection, _ rows: [any RowTable], _ place: FoldMark) {
    self.connection = connection
    self.place = place
    self.rows = rows
    plain = .allocate(capacity: rows.count)
    for (place, table) in rows.enumerated() {
      (plain + place).initialize(to: (table as? PlainTable).map(Unmanaged.passUnretained))
    }
    bookkeeping = Bookkeeping(connection: connection)
    place.flush = { [unowned self] () throws(StoreError) in try flushMarked() }
    place.engage = { [unowned self] () throws(StoreError) in try engage() }
  }

  deinit {
    writer?.end()
    plain.deallocate()
  }

  /// From now on merged rows are written by a thread of their own.
  func commitLate(lost: LostBatch) { writer = writer ?? LateCommit(lost: lost) }

  /// Waits until everything that was committed is in the file. Throws when something could not be.
  func join() throws(StoreError) { try writer?.join() }

  /// A statement needs the connection, and the transaction that it belongs to.
  private func engage() throws(StoreError) {
    try join()
    try connection.run("begin immediate")
    place.isDeferred = false
    for entry in held { try ProjectionTransaction.record(entry, bookkeeping) }
    held.removeAll()
  }

  func begin(folding: Bool) throws(StoreError) {
    precondition(!isOpen, "a store has one transaction at a time")
    if writer == nil || !folding {
      try join()
      try connection.run("begin immediate")
    } else {
      place.isDeferred = true
    }
    isOpen = true
    rowWatch?.isOpen = true
    isLost = false
    isFolding = folding && rowWatch == nil
    hasSavepoint = false
    if isFolding { for table in rows { table.beginFolding() } }
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    try checkOpen()
    precondition(rows.indices.contains(table), "table \(table) of \(rows.count)")
    result.removeAll()
    guard let rowWatch else { return try run(operation, table, arguments, result) }
    rowWatch.begin()
    let answer = try run(operation, table, arguments, result)
    if rowWatch.tracksReads { rowWatch.note(operation, table: table, arguments, result) }
    return answer
  }

  @inline(__always)
  private func run(
    _ operation: RowOperation, _ table: Int, _ arguments: RowBuffer, _ result: RowBuffer
  ) throws(StoreError) -> Bool {
    if operation == .each { return try each(table, arguments, result) }
    do {
      return try arguments.withSpan { (span) throws(StoreError) in
        if let known = plain[table] {
          return try known._withUnsafeGuaranteedRef { $0.answer(operation, span, into: result) }.get()
        }
        if place.isDeferred { try engage() }
        // A full-text table may write when it is read, too.
        try place.beforeWriting()
        return try rows[table].run(operation, span, into: result)
      }
    } catch { throw noticing(error) }
  }

  /// A scan may take long.
  private func each(_ table: Int, _ arguments: RowBuffer, _ result: RowBuffer) throws(StoreError) -> Bool {
    do {
      return try watch.run(connection, within: timeLeft, valueBytesMax: Limits.storeValueBytesMax) {
        () throws(StoreError) in
        try arguments.withSpan { (span) throws(StoreError) in
          try rows[table].run(.each, span, into: result)
        }
      }
    } catch { throw noticing(watch.isLate ? late : error) }
  }

  private var late: StoreError { .refused("the statement took longer than its event may") }

  @inline(__always)
  private func checkOpen() throws(StoreError) {
    precondition(isOpen, "the transaction has ended")
    if isLost { throw lost }
  }

  private var lost: StoreError {
    .io(path: connection.path, reason: "SQLite rolled the transaction back after an earlier error")
  }

  private func noticing(_ error: StoreError) -> StoreError {
    if !connection.isInTransaction { isLost = true }
    return error
  }

  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    try checkOpen()
    result.removeAll()
    guard text.utf8.count <= Limits.statementTextBytesMax else {
      throw .refused("a statement of a script has at most \(Limits.statementTextBytesMax) bytes")
    }
    if let rowWatch { rowWatch.begin(sql: text) }
    do {
      if place.isDeferred { try engage() }
      try place.isSet ? flushMarked() : flush()
    } catch { throw noticing(error) }
    do {
      // Nothing longer could go back to the script.
      return try watch.run(connection, within: timeLeft, valueBytesMax: Int32(Limits.luaTextBytesMax)) {
        () throws(StoreError) in try runSQL(text, arguments, result)
      }
    } catch { throw noticing(watch.isLate ? late : error) }
  }

  private func runSQL(
    _ text: String, _ arguments: RowBuffer, _ result: RowBuffer
  ) throws(StoreError) -> [String] {
    let steps = StepBudget(connection)
    defer { steps.end() }
    let authorizer = connection.authorizer
    if !authorizer.fullTextTables.isEmpty,
      let reason = FullTextSearch.refusal(SQLWords(text), arguments, tables: authorizer.fullTextTables)
    {
      throw .refused(reason)
    }
    authorizer.changedFullText.removeAll()
    let names = try authorizer.under(.rows) { () throws(StoreError) -> [String] in
      let statement = try prepared(text)
      guard statement.parameterCount == arguments.cells.count else {
        throw .refused(
          "the statement has \(statement.parameterCount) parameters, got \(arguments.cells.count) values")
      }
      return try arguments.withSpan { (span) throws(StoreError) -> [String] in
        for index in 0..<span.count { try statement.bind(index + 1, span[index], span.bytes) }
        try statement.readAll(into: result)
        return statement.columnNames
      }
    }
    for table in rows where authorizer.changedFullText.contains(table.shape.name.lowercased()) {
      try table.changedOutside()
    }
    return names
  }

  /// Statements that change a full-text table are compiled each time, so that the authorizer names the table.
  private func prepared(_ text: String) throws(StoreError) -> Statement {
    if let known = kept[text] { return known }
    let words = SQLWords(text)
    if let end = words.tokens.firstIndex(where: { $0.text == ";" && $0.kind == .symbol }),
      end + 1 < words.tokens.count
    {
      throw .refused("one statement at a time: there is more after the semicolon")
    }
    let statement = try connection.prepare(text)
    if connection.authorizer.changedFullText.isEmpty {
      if kept.count >= Limits.preparedStatementsMax { kept.removeAll() }
      kept[text] = statement
    }
    return statement
  }

  /// A projection keeps no state but its rows.
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? { nil }

  func write(_ entry: EffectEntry) throws(StoreError) {
    try checkOpen()
    if place.isDeferred { return held.append(entry) }
    try place.beforeWriting()
    do { try ProjectionTransaction.record(entry, bookkeeping) } catch { throw noticing(error) }
  }

  private static func record(_ entry: EffectEntry, _ bookkeeping: Bookkeeping) throws(StoreError) {
    switch entry {
    case .checkpoint(let partitions, let position): try bookkeeping.checkpoint(partitions, position)
    case .count(let applied, let skipped): try bookkeeping.count(applied: applied, skipped: skipped)
    case .dead(let letter): try bookkeeping.dead(letter)
    case .state, .emit, .relayed, .parked, .unparked, .held, .released, .revived, .saga, .eventTime, .unknown,
      .effect, .sagaChange:
      throw .refused("a projection has rows, checkpoints and dead letters only")
    }
  }

  func savepoint() throws(StoreError) {
    try checkOpen()
    if isFolding {
      try place.set()
      for index in 0..<rows.count {
        if let known = plain[index], known._withUnsafeGuaranteedRef({ $0.hasMarked() }) { continue }
        try rows[index].mark()
      }
      return
    }
    try flush()
    if hasSavepoint { try connection.run("release mark") }
    try connection.run("savepoint mark")
    hasSavepoint = true
  }

  func rollbackToSavepoint() throws(StoreError) {
    precondition(isOpen && (hasSavepoint || place.isSet), "there is no savepoint to go back to")
    if !place.isDeferred, !connection.isInTransaction { throw lost }
    if isFolding {
      for table in rows { table.undo(inFile: place.isInFile) }
      return try place.rollBack()
    }
    for table in rows { table.discard() }
    try connection.run("rollback to mark")
  }

  func commit() throws(StoreError) {
    try checkOpen()
    if place.isDeferred, let writer { return try commit(writer) }
    try flush()
    if !connection.isInTransaction { throw lost }
    try connection.run("commit")
    end()
  }

  /// Its rows and what it noted are one transaction of the other thread.
  private func commit(_ writer: LateCommit) throws(StoreError) {
    try writer.join()
    let jobs = rows.compactMap { ($0 as? PlainTable)?.handOver() }
    let entries = held
    end()
    writer.hand { [connection, bookkeeping] () throws(StoreError) in
      do throws(StoreError) {
        try connection.run("begin immediate")
        for job in jobs { try job() }
        for entry in entries { try ProjectionTransaction.record(entry, bookkeeping) }
        try connection.run("commit")
      } catch {
        if connection.isInTransaction { try connection.run("rollback") }
        throw error
      }
    }
  }

  func rollback() throws(StoreError) {
    precondition(isOpen, "the transaction has ended")
    if place.isDeferred { return end() }
    end()
    // SQLite rolls back by itself on some errors, such as a full disk.
    if connection.isInTransaction { try connection.run("rollback") }
  }

  /// In the middle of a marked event: what was before it is written before the place, what it did behind.
  private func flushMarked() throws(StoreError) {
    if place.isDeferred { try engage() }
    if place.isInFile, rows.contains(where: { $0.hasOlder }) { throw FoldMark.refusal }
    for table in rows { try table.flushOlder() }
    try place.beforeWriting()
    for table in rows { try table.flushSince() }
  }

  private func flush() throws(StoreError) {
    if isFolding { for table in rows { try table.flush() } }
  }

  private func end() {
    isOpen = false
    place.isDeferred = false
    held.removeAll()
    rowWatch?.isOpen = false
    place.forget()
    for table in rows { table.discard() }
  }
}
