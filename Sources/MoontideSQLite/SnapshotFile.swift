public import MoontideCore

/// A decider's snapshots, `.moontide/snapshots/NAME.sqlite`: a cache that may be deleted at any time. Nothing
/// in it is flushed, and nothing of it is used that is not whole or was made by other scripts or from another
/// log.
///
/// Format version 2:
/// - `owner(content, log, reached, fingerprint)`: one row, the digest of the scripts, the identity of the
///   log, how far commands were looked through, and what the log had right before that place;
/// - `snapshots(topic, key, version, position, fingerprint, state, digest)`: the newest of each stream, with
///   what the log had at its position; `digest` is of all the other columns.
public final class SnapshotFile: SnapshotStore {
  private let path: String
  private let content: Digest
  private let log: String
  private let discard: () throws(StoreError) -> Void
  /// Nil after damage that could not be mended.
  private var connection: Connection?

  private static let format = 2

  /// Opens the file, or makes it; one that cannot be used is made anew.
  /// - Parameters:
  ///   - content: of everything that a state follows from: script, modules, upcasters.
  ///   - log: the identity of the log.
  ///   - discard: removes the file; called when it is of no use, now or when its damage shows.
  public init(
    path: String, content: Digest, log: String, discard: @escaping () throws(StoreError) -> Void
  ) throws(StoreError) {
    self.path = path
    self.content = content
    self.log = log
    self.discard = discard
    do throws(StoreError) {
      let opened = try Self.open(path)
      connection = opened
      if try !belongs(opened) { try make(opened) }
    } catch {
      guard case .damaged = error else { throw error }
      try remake()
    }
  }

  private func remake() throws(StoreError) {
    connection = nil
    try discard()
    let opened = try Self.open(path)
    try make(opened)
    connection = opened
  }

  private func make(_ connection: Connection) throws(StoreError) {
    try connection.script(
      """
      begin immediate;
      drop table if exists owner; drop table if exists snapshots;
      create table owner(content text not null, log text not null, reached integer not null,
        fingerprint text not null);
      create table snapshots(topic text, key blob, version integer not null, position integer not null,
        fingerprint text not null, state blob not null, digest text not null, primary key(topic, key))
        without rowid;
      pragma user_version=\(Self.format);
      """)
    let owner = try connection.prepare("insert into owner values (?, ?, 0, '')")
    owner.bind(1, text: content.description)
    owner.bind(2, text: log)
    try owner.finish()
    try connection.run("commit")
  }

  /// Nil when the file was damaged, and is made anew: a power cut may tear what nobody flushes.
  private func used<T>(_ body: (Connection) throws(StoreError) -> T) throws(StoreError) -> T? {
    if connection == nil { try remake() }
    guard let connection else { preconditionFailure("\(path) was made and is not open") }
    do throws(StoreError) { return try body(connection) } catch {
      guard case .damaged = error else { throw error }
      try remake()
      return nil
    }
  }

  private static func open(_ path: String) throws(StoreError) -> Connection {
    let connection = try Connection(path, .create)
    try connection.script(
      "pragma journal_mode=wal; pragma synchronous=off; pragma secure_delete=off; pragma temp_store=memory;")
    return connection
  }

  private func belongs(_ connection: Connection) throws(StoreError) -> Bool {
    guard try connection.integer("pragma user_version") == Int64(Self.format) else { return false }
    let owner = try connection.prepare("select content, log from owner")
    defer { owner.reset() }
    return try owner.step() && owner.text(0) == content.description && owner.text(1) == log
  }

  public func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot? {
    try used { (connection) throws(StoreError) in
      let find = try connection.statement(
        """
        select version, position, fingerprint, state, digest from snapshots where topic = ? and key = ?
        """)
      defer { find.reset() }
      find.bind(1, text: topic.text)
      find.bind(2, blob: key)
      guard try find.step(), let fingerprint = Digest(hexadecimal: find.text(2)) else { return nil }
      let found = StreamSnapshot(
        topic: topic, key: key, version: Int(find.integer(0)),
        position: Position(UInt64(bitPattern: find.integer(1))), fingerprint: fingerprint,
        state: find.bytes(3))
      return find.text(4) == Self.digest(found).description && found.version > 0 ? found : nil
    } ?? nil
  }

  public func keep(_ snapshots: [StreamSnapshot], reached: LogMark?) throws(StoreError) {
    let put: Void? = try used { (connection) throws(StoreError) in
      try Self.put(snapshots, reached, connection)
    }
    if put == nil, let connection { try Self.put(snapshots, reached, connection) }
  }

  private static func put(
    _ snapshots: [StreamSnapshot], _ reached: LogMark?, _ connection: Connection
  ) throws(StoreError) {
    try connection.run("begin immediate")
    do throws(StoreError) {
      let put = try connection.statement("insert or replace into snapshots values (?, ?, ?, ?, ?, ?, ?)")
      for snapshot in snapshots {
        put.bind(1, text: snapshot.topic.text)
        put.bind(2, blob: snapshot.key)
        put.bind(3, Int64(snapshot.version))
        put.bind(4, Int64(bitPattern: snapshot.position.value))
        put.bind(5, text: snapshot.fingerprint.description)
        put.bind(6, blob: snapshot.state)
        put.bind(7, text: Self.digest(snapshot).description)
        try put.finish()
      }
      if let reached {
        let move = try connection.statement("update owner set reached = ?, fingerprint = ?")
        move.bind(1, Int64(bitPattern: reached.position.value))
        move.bind(2, text: reached.fingerprint.description)
        try move.finish()
      }
      try connection.run("commit")
    } catch {
      if connection.isInTransaction { try connection.run("rollback") }
      throw error
    }
  }

  public func reached() throws(StoreError) -> LogMark? {
    try used { (connection) throws(StoreError) in
      let owner = try connection.prepare("select reached, fingerprint from owner")
      defer { owner.reset() }
      guard try owner.step(), let fingerprint = Digest(hexadecimal: owner.text(1)) else { return nil }
      return LogMark(position: Position(UInt64(bitPattern: owner.integer(0))), fingerprint: fingerprint)
    } ?? nil
  }

  /// How far the commands of a decider with these scripts have been looked through; nil when that is not
  /// known.
  public static func reached(path: String, content: Digest) -> Position? {
    do throws(StoreError) {
      let connection = try Connection(path, .readOnly)
      let owner = try connection.prepare("select content, reached from owner")
      defer { owner.reset() }
      guard try owner.step(), owner.text(0) == content.description else { return nil }
      return Position(UInt64(bitPattern: owner.integer(1)))
    } catch { return nil }
  }

  /// SQLite's pages have no checksums.
  private static func digest(_ snapshot: StreamSnapshot) -> Digest {
    Digest.zero.adding(snapshot.topic.text).adding(snapshot.key).adding(UInt64(snapshot.version))
      .adding(snapshot.position.value).adding(snapshot.fingerprint.description).adding(snapshot.state)
  }
}
