public import MoontideCore

/// A decider's snapshots, `.moontide/snapshots/NAME.sqlite`: a cache that may be deleted at any time. Nothing
/// in it is flushed, and nothing of it is used that is not whole or was made by other scripts or from another
/// log.
///
/// Format version 2:
/// - `owner(content, log, reached, digest)`: one row, the digest of the scripts, the identity of the log, how
///   far commands were looked through, and the digest of these three;
/// - `snapshots(topic, key, version, position, state, digest)`: the newest of each stream; `digest` is of all
///   the other columns.
public final class SnapshotFile: SnapshotStore {
  private let connection: Connection
  private let content: String
  private let log: String

  private static let format = 2

  /// Opens the file, or makes it; one that cannot be used is made anew.
  /// - Parameters:
  ///   - content: of everything that a state follows from: script, modules, upcasters.
  ///   - log: the identity of the log.
  ///   - discard: removes the file; called when it is of no use.
  public init(
    path: String, content: Digest, log: String, discard: () throws(StoreError) -> Void
  ) throws(StoreError) {
    self.content = content.description
    self.log = log
    do throws(StoreError) {
      connection = try Self.prepared(path, content.description, log)
      return
    } catch {
      switch error {
      case .full, .exhausted: throw error
      case .damaged, .io, .refused, .constraint, .foldedConstraint: try discard()
      }
    }
    connection = try Self.prepared(path, content.description, log)
  }

  /// The file with its tables, empty when they were another's.
  private static func prepared(_ path: String, _ content: String, _ log: String) throws(StoreError)
    -> Connection
  {
    let connection = try open(path)
    if try belongs(connection, content, log) { return connection }
    try connection.script(
      """
      begin immediate;
      drop table if exists owner; drop table if exists snapshots;
      create table owner(content text not null, log text not null, reached integer not null,
        digest text not null);
      create table snapshots(topic text, key blob, version integer not null, position integer not null,
        state blob not null, digest text not null, primary key(topic, key)) without rowid;
      pragma user_version=\(Self.format);
      """)
    let owner = try connection.prepare("insert into owner values (?, ?, 0, ?)")
    owner.bind(1, text: content)
    owner.bind(2, text: log)
    owner.bind(3, text: digest(content, log, 0))
    try owner.finish()
    try connection.run("commit")
    return connection
  }

  private static func open(_ path: String) throws(StoreError) -> Connection {
    let connection = try Connection(path, .create)
    try connection.script(
      "pragma journal_mode=wal; pragma synchronous=off; pragma secure_delete=off; pragma temp_store=memory;")
    return connection
  }

  private static func belongs(_ connection: Connection, _ content: String, _ log: String) throws(StoreError)
    -> Bool
  {
    guard try connection.integer("pragma user_version") == Int64(format) else { return false }
    let owner = try owner(connection)
    return owner?.content == content && owner?.log == log
  }

  /// The row of `owner`; nil when it is not whole.
  private static func owner(_ connection: Connection) throws(StoreError) -> (
    content: String, log: String, reached: Int64
  )? {
    let row = try connection.prepare("select content, log, reached, digest from owner")
    defer { row.reset() }
    guard try row.step() else { return nil }
    let (content, log, reached) = (row.text(0), row.text(1), row.integer(2))
    return row.text(3) == digest(content, log, reached) ? (content, log, reached) : nil
  }

  public func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot? {
    let find = try connection.statement(
      "select version, position, state, digest from snapshots where topic = ? and key = ?")
    defer { find.reset() }
    find.bind(1, text: topic.text)
    find.bind(2, blob: key)
    guard try find.step() else { return nil }
    let found = StreamSnapshot(
      topic: topic, key: key, version: Int(find.integer(0)),
      position: Position(UInt64(bitPattern: find.integer(1))), state: find.bytes(2))
    return find.text(3) == Self.digest(found).description && found.version > 0 ? found : nil
  }

  public func keep(_ snapshots: [StreamSnapshot], reached: Position) throws(StoreError) {
    try connection.run("begin immediate")
    do throws(StoreError) {
      let put = try connection.statement("insert or replace into snapshots values (?, ?, ?, ?, ?, ?)")
      for snapshot in snapshots {
        put.bind(1, text: snapshot.topic.text)
        put.bind(2, blob: snapshot.key)
        put.bind(3, Int64(snapshot.version))
        put.bind(4, Int64(bitPattern: snapshot.position.value))
        put.bind(5, blob: snapshot.state)
        put.bind(6, text: Self.digest(snapshot).description)
        try put.finish()
      }
      let move = try connection.statement("update owner set reached = ?, digest = ?")
      move.bind(1, Int64(bitPattern: reached.value))
      move.bind(2, text: Self.digest(content, log, Int64(bitPattern: reached.value)))
      try move.finish()
      try connection.run("commit")
    } catch {
      if connection.isInTransaction { try connection.run("rollback") }
      // Damage shows itself at any page: then the next opening makes the file anew.
      if case .damaged = error { try connection.script("pragma user_version=0") }
      throw error
    }
  }

  public func reached() throws(StoreError) -> Position? {
    try Self.owner(connection).map { Position(UInt64(bitPattern: $0.reached)) }
  }

  /// How far the commands of a decider with these scripts have been looked through; nil when that is not
  /// known.
  public static func reached(path: String, content: Digest) -> Position? {
    do throws(StoreError) {
      let connection = try Connection(path, .readOnly)
      guard let owner = try owner(connection), owner.content == content.description else { return nil }
      return Position(UInt64(bitPattern: owner.reached))
    } catch { return nil }
  }

  private static func digest(_ content: String, _ log: String, _ reached: Int64) -> String {
    Digest.zero.adding(content).adding(log).adding(UInt64(bitPattern: reached)).description
  }

  /// SQLite's pages have no checksums.
  private static func digest(_ snapshot: StreamSnapshot) -> Digest {
    Digest.zero.adding(snapshot.topic.text).adding(snapshot.key).adding(UInt64(snapshot.version))
      .adding(snapshot.position.value).adding(snapshot.state)
  }
}
