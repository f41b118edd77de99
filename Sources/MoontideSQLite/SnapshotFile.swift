public import MoontideCore

/// A decider's snapshots, `.moontide/snapshots/NAME.sqlite`: a cache that may be deleted at any time. Nothing
/// in it is flushed, so that a power cut leaves any mixture of its pages, those of other scripts among them.
/// Therefore every row has a digest, which is of the scripts and of the log as well; a row that has another
/// one is not there. A file that SQLite cannot use is made anew.
///
/// Format version 2:
/// - `owner(content, log, reached, digest)`: one row, the digest of the scripts, the identity of the log, and
///   how far commands were looked through;
/// - `snapshots(topic, key, version, position, state, digest)`: the newest of each stream.
public final class SnapshotFile: SnapshotStore {
  private let path: String
  private let vfs: String?
  private let content: Digest
  private let log: String
  private let discard: () throws(StoreError) -> Void
  /// Nil after it could not be made anew.
  private var connection: Connection?

  private static let format = 2

  /// Opens the file, or makes it; one that cannot be used is made anew.
  /// - Parameters:
  ///   - content: of everything that a state follows from: script, modules, upcasters.
  ///   - log: the identity of the log.
  ///   - vfs: a registered VFS; nil takes SQLite's own.
  ///   - discard: removes the file; called when it is of no use.
  public init(
    path: String, content: Digest, log: String, vfs: String? = nil,
    discard: @escaping () throws(StoreError) -> Void
  ) throws(StoreError) {
    self.path = path
    self.vfs = vfs
    self.content = content
    self.log = log
    self.discard = discard
    do throws(StoreError) {
      let opened = try open()
      connection = opened
      if try !belongs(opened) { try make(opened) }
    } catch {
      guard Self.saysUnusable(error) else { throw error }
      try renew()
    }
  }

  /// Whether the file itself is at fault, and not the system around it.
  private static func saysUnusable(_ error: StoreError) -> Bool {
    switch error {
    // A mixture of pages may well lack a table, or have one of another shape.
    case .damaged, .refused, .constraint, .foldedConstraint: true
    case .full, .exhausted, .io: false
    }
  }

  private func open() throws(StoreError) -> Connection {
    let connection = try Connection(path, .create, vfs: vfs)
    try connection.script(
      "pragma journal_mode=wal; pragma synchronous=off; pragma secure_delete=off; pragma temp_store=memory;")
    return connection
  }

  private func renew() throws(StoreError) {
    connection = nil
    try discard()
    let opened = try open()
    try make(opened)
    connection = opened
  }

  private func make(_ connection: Connection) throws(StoreError) {
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
    owner.bind(1, text: content.description)
    owner.bind(2, text: log)
    owner.bind(3, text: Self.digest(.start, content, log).description)
    try owner.finish()
    try connection.run("commit")
  }

  private func belongs(_ connection: Connection) throws(StoreError) -> Bool {
    guard try connection.integer("pragma user_version") == Int64(Self.format) else { return false }
    let owner = try connection.prepare("select content, log from owner")
    defer { owner.reset() }
    return try owner.step() && owner.text(0) == content.description && owner.text(1) == log
  }

  public func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot? {
    guard let connection else { return nil }
    let find = try connection.statement(
      "select version, position, state, digest from snapshots where topic = ? and key = ?")
    defer { find.reset() }
    find.bind(1, text: topic.text)
    find.bind(2, blob: key)
    guard try find.step() else { return nil }
    let found = StreamSnapshot(
      topic: topic, key: key, version: Int(find.integer(0)),
      position: Position(UInt64(bitPattern: find.integer(1))), state: find.bytes(2))
    return find.text(3) == digest(found).description && found.version > 0 ? found : nil
  }

  public func keep(_ snapshots: [StreamSnapshot], reached: Position) throws(StoreError) {
    do throws(StoreError) {
      guard let connection else { return try renewed(snapshots, reached) }
      try write(snapshots, reached, connection)
    } catch {
      guard Self.saysUnusable(error) else { throw error }
      try renewed(snapshots, reached)
    }
  }

  private func renewed(_ snapshots: [StreamSnapshot], _ reached: Position) throws(StoreError) {
    try renew()
    if let connection { try write(snapshots, reached, connection) }
  }

  private func write(
    _ snapshots: [StreamSnapshot], _ reached: Position, _ connection: Connection
  ) throws(StoreError) {
    try connection.run("begin immediate")
    do throws(StoreError) {
      let put = try connection.statement("insert or replace into snapshots values (?, ?, ?, ?, ?, ?)")
      for snapshot in snapshots {
        put.bind(1, text: snapshot.topic.text)
        put.bind(2, blob: snapshot.key)
        put.bind(3, Int64(snapshot.version))
        put.bind(4, Int64(bitPattern: snapshot.position.value))
        put.bind(5, blob: snapshot.state)
        put.bind(6, text: digest(snapshot).description)
        try put.finish()
      }
      let move = try connection.statement("update owner set reached = ?, digest = ?")
      move.bind(1, Int64(bitPattern: reached.value))
      move.bind(2, text: Self.digest(reached, content, log).description)
      try move.finish()
      CrashPoint.reach(.duringSnapshot)
      try connection.run("commit")
    } catch {
      if connection.isInTransaction { try connection.run("rollback") }
      throw error
    }
  }

  public func reached() throws(StoreError) -> Position? {
    guard let connection else { return nil }
    return try Self.reached(connection, content, log)
  }

  /// How far the commands of a decider with these scripts have been looked through; nil when that is not
  /// known.
  public static func reached(path: String, content: Digest) -> Position? {
    do throws(StoreError) {
      return try reached(try Connection(path, .readOnly), content, nil)
    } catch { return nil }
  }

  /// - Parameter log: nil: whichever it says.
  private static func reached(
    _ connection: Connection, _ content: Digest, _ log: String?
  ) throws(StoreError) -> Position? {
    let owner = try connection.statement("select content, log, reached, digest from owner")
    defer { owner.reset() }
    guard try owner.step(), owner.text(0) == content.description else { return nil }
    let position = Position(UInt64(bitPattern: owner.integer(2)))
    guard owner.text(3) == digest(position, content, log ?? owner.text(1)).description else { return nil }
    return position
  }

  /// SQLite's pages have no checksums.
  private func digest(_ snapshot: StreamSnapshot) -> Digest {
    Digest.zero.adding(content.description).adding(log).adding(snapshot.topic.text).adding(snapshot.key)
      .adding(UInt64(snapshot.version)).adding(snapshot.position.value).adding(snapshot.state)
  }

  private static func digest(_ reached: Position, _ content: Digest, _ log: String) -> Digest {
    Digest.zero.adding(content.description).adding(log).adding(reached.value)
  }
}
