public import MoontideCore

/// A projection's read model: `readmodels/NAME.sqlite`, the tables of its schema and the bookkeeping beside
/// them. Owned by one thread.
///
/// Its durability is that of derived state: WAL with synchronous=NORMAL. The checkpoint is in the same commit
/// as the rows, so what a power cut takes is replayed from the log.
public final class ProjectionStore: EffectStore {
  public let tables: [StoreTable]
  public private(set) var identity: StoreIdentity
  public let path: String
  let connection: Connection
  private let bookkeeping: Bookkeeping
  private let rows: [any RowTable]
  private let transaction: ProjectionTransaction
  private var isBulk: Bool
  private let shapes: [TableShape]

  /// Makes the tables of a schema in a new file. `identity.schemaDigest` is filled in.
  ///
  /// `decided` is how many decisions about its dead letters the rows will follow: the first ones of the log.
  /// With `bulk`, nothing is flushed before `finish`: for a file that nobody reads yet and that is made anew
  /// after a crash. `vfs` names a registered VFS. Throws `schema` with the place of what is wrong.
  public static func create(
    path: String, schema: String, identity: StoreIdentity, decided: Int = 0, bulk: Bool = false,
    vfs: String? = nil
  ) throws(StoreOpeningError) -> ProjectionStore {
    var identity = identity
    identity.schemaDigest = Digest.zero.adding(schema).description
    let connection = try StoreOpeningError.wrap { () throws(StoreError) in
      let connection = try Connection(path, .create, vfs: vfs)
      try StorePragmas.apply(bulk ? .bulk : .derived, to: connection)
      try connection.run("begin immediate")
      return connection
    }
    // When this throws, closing the connection rolls back.
    let shapes = try makeTables(schema, in: connection)
    return try StoreOpeningError.wrap { () throws(StoreError) in
      try Bookkeeping(connection: connection).create(identity, decided: decided)
      for shape in shapes where shape.kind == .fullText {
        try FullTextTable.createMap(of: shape, in: connection)
      }
      try connection.run("commit")
      return try ProjectionStore(connection, identity, isBulk: bulk)
    }
  }

  /// Opens a file that `create` made, to go on; with `bulk`, as `create` has it.
  public static func open(
    path: String, bulk: Bool = false, vfs: String? = nil
  ) throws(StoreOpeningError) -> ProjectionStore {
    let connection = try StoreOpeningError.wrap { () throws(StoreError) in
      try Connection(path, .readWrite, vfs: vfs)
    }
    let identity = try Bookkeeping(connection: connection).identity()
    return try StoreOpeningError.wrap { () throws(StoreError) in
      try StorePragmas.apply(bulk ? .bulk : .derived, to: connection)
      return try ProjectionStore(connection, identity, isBulk: bulk)
    }
  }

  /// The tables that a schema would make, without making them anywhere. Throws what is wrong with it.
  public static func checkSchema(_ schema: String) throws(SchemaFault) -> [StoreTable] {
    do {
      let connection = try StoreOpeningError.wrap { () throws(StoreError) in
        let connection = try Connection("schema", .memory)
        try connection.run("begin")
        return connection
      }
      return try makeTables(schema, in: connection).map { $0.table }
    } catch {
      switch error {
      case .schema(let fault): throw fault
      case .unsupportedFormat, .empty, .store:
        throw SchemaFault(message: "\(error)", byteOffset: 0, byteCount: 1)
      }
    }
  }

  /// The names that a query can ask a read model of that schema for: its tables and its views.
  public static func names(inSchema schema: String) throws(SchemaFault) -> [String] {
    do {
      let connection = try StoreOpeningError.wrap { () throws(StoreError) in
        let connection = try Connection("schema", .memory)
        try connection.run("begin")
        return connection
      }
      let tables = try makeTables(schema, in: connection).map { $0.table.name }
      return try StoreOpeningError.wrap { () throws(StoreError) in try tables + views(connection) }
    } catch {
      guard case .schema(let fault) = error else {
        throw SchemaFault(message: "\(error)", byteOffset: 0, byteCount: 1)
      }
      throw fault
    }
  }

  private static func makeTables(
    _ schema: String, in connection: Connection
  ) throws(StoreOpeningError) -> [TableShape] {
    do { try SchemaScript(text: schema).run(on: connection) } catch { throw .schema(error) }
    do {
      let shapes = try TableShape.all(in: connection)
      DateFunctions.install(on: connection)
      BoundedFunctions.install(on: connection)
      for shape in shapes { try probe(shape, connection) }
      try probeViews(connection)
      return shapes
    } catch {
      throw .schema(SchemaScript(text: schema).locate(error))
    }
  }

  /// Compiles what rows will need, and computes the defaults: SQLite asks nobody about the functions in them,
  /// so one that reads a clock is found here or never.
  private static func probe(_ shape: TableShape, _ connection: Connection) throws(StoreError) {
    try connection.authorizer.under(.rows) { () throws(StoreError) in
      for column in shape.columns {
        guard let text = column.defaultSQL else { continue }
        let statement = try connection.prepare("select (\(text))")
        _ = try statement.step()
        statement.reset()
      }
      _ = try connection.prepare("insert into \(quoted(shape.name)) default values")
      _ = try connection.prepare("select * from \(quoted(shape.name))")
    }
  }

  private static func views(_ connection: Connection) throws(StoreError) -> [String] {
    var views: [String] = []
    let list = try connection.prepare("select name from sqlite_schema where type = 'view' order by rowid")
    while try list.step() { views.append(list.text(0)) }
    return views
  }

  private static func probeViews(_ connection: Connection) throws(StoreError) {
    for view in try views(connection) {
      try connection.authorizer.under(.rows) { () throws(StoreError) in
        _ = try connection.prepare("select * from \(quoted(view))")
      }
    }
  }

  private init(_ connection: Connection, _ identity: StoreIdentity, isBulk: Bool) throws(StoreError) {
    let shapes = try TableShape.all(in: connection)
    self.connection = connection
    self.identity = identity
    self.isBulk = isBulk
    path = connection.path
    bookkeeping = Bookkeeping(connection: connection)
    self.shapes = shapes
    tables = shapes.map { $0.table }
    DateFunctions.install(on: connection)
    BoundedFunctions.install(on: connection)
    try connection.meetTableFunctions()
    connection.authorizer.fullTextTables = Set(
      shapes.filter { $0.kind == .fullText }.map { $0.name.lowercased() })
    let place = FoldMark(connection)
    rows = shapes.map { shape -> any RowTable in
      if shape.kind == .fullText { return FullTextTable(shape, connection) }
      return PlainTable(shape, connection, place)
    }
    transaction = ProjectionTransaction(connection, rows, place)
  }

  /// Sees every row from here on; from then on no writes of a batch are merged. Once, before the first
  /// transaction. Throws `refused` where SQLite was built without its pre-update hook.
  public func watch() throws(StoreError) -> RowWatch {
    let watch = try RowWatch(shapes, connection)
    transaction.rowWatch = watch
    return watch
  }

  public func ledger() throws(StoreError) -> HandlerLedger {
    try join()
    return try bookkeeping.ledger()
  }

  /// Of a file that nobody reads yet: from now on batches are written by a thread of their own while the next
  /// one is handled. One that cannot be fails all that follow, and sets `lost`: open the file again then,
  /// which is as of its last commit.
  public func commitLate(lost: LostBatch) { transaction.commitLate(lost: lost) }

  /// Waits until everything that was committed is in the file. Throws when something could not be.
  public func join() throws(StoreError) { try transaction.join() }

  public func deadCode(_ position: Position) throws(StoreError) -> String? {
    try join()
    return try bookkeeping.deadCode(position)
  }

  /// Always empty: a projection emits nothing.
  public func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] { [] }

  public func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    try transaction.begin(folding: folding)
    return transaction
  }

  /// All dead letters, in order of position.
  public func deadLetters() throws(StoreError) -> [DeadLetter] {
    try join()
    return try bookkeeping.deadLetters()
  }

  /// The script changed without a change of meaning: the file is now its.
  public func setScriptVersion(_ version: String) throws(StoreError) {
    try bookkeeping.setScriptVersion(version)
    identity.scriptVersion = version
  }

  /// From here on the rows follow the first `decided` decisions of the log: for a copy whose rows are the
  /// same with these decisions as with those that it followed.
  public func follow(decided: Int) throws(StoreError) { try bookkeeping.follow(decided: decided) }

  /// Rewrites the index of every FTS5 table from its rows, so that the bytes of the file's tables are a
  /// function of its rows alone: an index's segments otherwise show where batches ended. Outside a
  /// transaction.
  public func settle() throws(StoreError) {
    try join()
    for table in rows { try table.settle() }
  }

  /// For a file that nobody reads yet: its write-ahead log may grow, so that each page is copied into the
  /// file once.
  public func letLogGrow() throws(StoreError) {
    try connection.script("pragma wal_autocheckpoint=\(Limits.rebuildCheckpointPages)")
  }

  /// Ends the bulk mode: everything is flushed, and other connections may read the file.
  public func finish() throws(StoreError) {
    try join()
    guard isBulk else { return }
    try connection.sync()
    try StorePragmas.apply(.derived, to: connection)
    isBulk = false
  }

  /// Copies the WAL into the file as far as readers allow: before a copy or a rename of the file.
  public func checkpoint() throws(StoreError) {
    try join()
    try connection.script("pragma wal_checkpoint(truncate)")
  }

  /// Copies all of the WAL into the file, which is then whole without it: before it takes another's place.
  /// Throws `exhausted` when somebody reads it for so long that this cannot be done.
  public func emptyLog() throws(StoreError) {
    try join()
    let checkpoint = try connection.prepare("pragma wal_checkpoint(truncate)")
    guard try checkpoint.step(), checkpoint.integer(0) != 0 else { return }
    throw .exhausted(path: connection.path, reason: "somebody reads it, and so keeps its write-ahead log")
  }

  /// Copies as much of the WAL into the file as readers allow now, without waiting for any; true when that
  /// was all of it. <https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>
  public func checkpointAsReadersAllow() throws(StoreError) -> Bool {
    let checkpoint = try connection.prepare("pragma wal_checkpoint(passive)")
    guard try checkpoint.step() else { return true }
    return checkpoint.integer(0) == 0 && checkpoint.integer(1) == checkpoint.integer(2)
  }
}
