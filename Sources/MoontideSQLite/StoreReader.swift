import CSQLite
public import MoontideCore

/// Reads what a store of either kind remembers, beside the process that writes it. Owned by one thread.
public final class StoreReader {
  public let identity: StoreIdentity
  let connection: Connection
  private let bookkeeping: Bookkeeping

  /// Opens a store's file for reading only. What a killed process left half done in it is undone first.
  public init(path: String, vfs: String? = nil) throws(StoreOpeningError) {
    connection = try StoreOpeningError.wrap { () throws(StoreError) in
      let opened = try Connection.reading(path, vfs: vfs)
      guard opened.needsRollback else { return opened }
      // Only who may write can; SQLite sees to it that nobody's work is undone who still lives.
      try Connection(path, .readWrite, vfs: vfs).run("select count(*) from sqlite_schema")
      return try Connection.reading(path, vfs: vfs)
    }
    bookkeeping = Bookkeeping(connection: connection)
    identity = try bookkeeping.identity()
  }

  /// Brings a store's write-ahead log into its file, which then has none, unless somebody else has it open:
  /// before it gets another name. For who holds the project.
  public static func gather(_ path: String, vfs: String? = nil) throws(StoreError) {
    // The last connection does so when it is closed.
    try Connection(path, .readWrite, vfs: vfs).run("select count(*) from sqlite_schema")
  }

  /// As of now, in one snapshot.
  public func ledger() throws(StoreError) -> HandlerLedger {
    try connection.run("begin")
    defer { connection.endReading() }
    if identity.kind == .projection { return try bookkeeping.ledger() }
    return try ConsumerRecords(connection).ledger()
  }

  /// All dead letters, in order of position.
  public func deadLetters() throws(StoreError) -> [DeadLetter] { try bookkeeping.deadLetters() }

  /// The handler's own tables and their columns, for names in queries; empty for a consumer.
  public func tables() throws(StoreError) -> [StoreTable] {
    try TableShape.all(in: connection).map { $0.table }
  }

  /// Names of the views of a read model.
  public func views() throws(StoreError) -> [String] {
    var names: [String] = []
    let list = try connection.statement("select name from sqlite_schema where type = 'view' order by rowid")
    while try list.step() { names.append(list.text(0)) }
    list.reset()
    return names
  }

  /// Events that are emitted and not yet in the log.
  public func outboxCount() throws(StoreError) -> Int {
    guard identity.kind != .projection else { return 0 }
    return Int(try connection.integer("select count(*) from _mt_outbox") ?? 0)
  }

  /// Of the ledger of a consumer's effects, oldest first; empty where there is none.
  public func effects(_ selection: LedgerSelection = LedgerSelection()) throws(StoreError) -> [LedgerEffect] {
    try ledgerRecords()?.select(selection) ?? []
  }

  /// One of them, whole.
  public func effect(_ sequence: UInt64) throws(StoreError) -> LedgerEffect? {
    try ledgerRecords()?.effect(sequence)
  }

  /// Whether an effect is waiting or failed: cheap, also beside many that are done.
  public func hasOpenEffects() throws(StoreError) -> Bool { try ledgerRecords()?.hasOpen() ?? false }

  /// Instances of a saga that wait for a person.
  public func stuckSagas() throws(StoreError) -> UInt64 {
    guard identity.kind == .saga else { return 0 }
    let count = try connection.integer("select count(*) from _mt_sagas where ended = 0 and status = 'stuck'")
    return UInt64(count ?? 0)
  }

  public func effectCounts() throws(StoreError) -> LedgerCounts {
    try ledgerRecords()?.counts() ?? LedgerCounts()
  }

  private func ledgerRecords() throws(StoreError) -> LedgerRecords? {
    guard identity.kind != .projection else { return nil }
    let records = LedgerRecords(connection: connection, bookkeeping: bookkeeping)
    return try records.exists() ? records : nil
  }

  /// What a consumer keeps of a key; nil when it keeps nothing.
  public func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? {
    guard identity.kind == .consumer else { return nil }
    return try ConsumerRecords(connection).state(topic, key)
  }

  /// Writes a copy of the whole file, as of now, to a path where nothing is.
  public func copy(to path: String) throws(StoreError) {
    let copy = try connection.prepare("vacuum into ?1")
    copy.bind(1, text: path)
    try copy.finish()
  }

  /// The first sequence number in the outbox, and how many there are; nil when it is empty.
  public func outboxRange() throws(StoreError) -> (first: UInt64, count: UInt64)? {
    guard identity.kind != .projection else { return nil }
    let read = try connection.prepare("select min(sequence), count(*) from _mt_outbox")
    guard try read.step(), !read.isNull(0) else { return nil }
    return (UInt64(read.integer(0)), UInt64(read.integer(1)))
  }

  /// The mark of the log that the file belongs to; nil when it never said.
  public func logMark() throws(StoreError) -> Int32? {
    let mark = try connection.integer("pragma user_version") ?? 0
    return mark == 0 ? nil : Int32(truncatingIfNeeded: mark)
  }

  /// What `pragma quick_check` finds wrong first; nil when the file is sound. Reads all of it. Throws `io`
  /// when it could not be read: that says nothing of what is in it.
  public func integrityFault() throws(StoreError) -> String? {
    let check = try connection.prepare("pragma quick_check(1)")
    guard try check.step() else { return nil }
    let text = check.text(0)
    // SQLite tells a read that failed as something it found: "unable to get the page. error code=266".
    let parts = text.split(separator: "error code=", maxSplits: 1)
    let code = parts.count == 2 ? Int32(parts[1].prefix { $0.isNumber }) : nil
    if let code, code & 0xff == SQLITE_IOERR { throw .io(path: connection.path, reason: text) }
    return text == "ok" ? nil : text
  }
}
