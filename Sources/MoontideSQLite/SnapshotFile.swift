public import MoontideCore

/// A decider's snapshots, `.moontide/snapshots/NAME.sqlite`: a cache that may be deleted at any time. Nothing
/// in it is flushed, so that a power cut leaves any mixture of its pages, those of other scripts among them.
/// Therefore every row has a digest, which is of the scripts and of the log as well; a row that has another
/// is not there. A file that SQLite cannot use is made anew.
///
/// Format version 2:
/// - `owner(content, log, reached, fingerprint, digest)`: one row, the digest of the scripts, the identity of
///   the log, how far commands were looked through, and what the log had right before that place;
/// - `snapshots(topic, key, version, position, fingerprint, state, digest)`: the newest of each stream, with
///   what the log had at its position.
public final class SnapshotFile: SnapshotStore {
  private let path: String
  private let vfs: String?
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
  ///   - vfs: a registered VFS; nil takes SQLite's own.
  ///   - discard: removes the file; called when it is of no use, now or when its damage shows.
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
      try remake()
    }
  }

  private func remake() throws(StoreError) {
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
        fingerprint text not null, digest text not null);
      create table snapshots(topic text, key blob, version integer not null, position integer not null,
        fingerprint text not null, state blob not null, digest text not null, primary key(topic, key))
        without rowid;
      pragma user_version=\(Self.format);
      """)
    let owner = try connection.prepare("insert into owner values (?, ?, 0, '', '')")
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
      guard Self.saysUnusable(error) else { throw error }
      try remake()
      return nil
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
      return find.text(4) == digest(found).description && found.version > 0 ? found : nil
    } ?? nil
  }

  public func keep(_ snapshots: [StreamSnapshot], reached: LogMark?) throws(StoreError) {
    let put: Void? = try used { (connection) throws(StoreError) in
      try write(snapshots, reached, connection)
    }
    if put == nil, let connection { try write(snapshots, reached, connection) }
  }

  private func write(
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
        put.bind(7, text: digest(snapshot).description)
        try put.finish()
      }
      if let reached {
        let move = try connection.statement("update owner set reached = ?, fingerprint = ?, digest = ?")
        move.bind(1, Int64(bitPattern: reached.position.value))
        move.bind(2, text: reached.fingerprint.description)
        move.bind(3, text: Self.digest(reached, content, log).description)
        try move.finish()
      }
      CrashPoint.reach(.duringSnapshot)
      try connection.run("commit")
    } catch {
      if connection.isInTransaction { try connection.run("rollback") }
      throw error
    }
  }

  public func reached() throws(StoreError) -> LogMark? {
    try used { (connection) throws(StoreError) in
      try Self.reached(connection, content).flatMap { $0.log == log ? $0.mark : nil }
    } ?? nil
  }

  /// How far the commands of a decider with these scripts have been looked through; nil when that is not
  /// known.
  public static func reached(path: String, content: Digest) -> Position? {
    do throws(StoreError) {
      return try reached(try Connection(path, .readOnly), content)?.mark.position
    } catch { return nil }
  }

  private static func reached(
    _ connection: Connection, _ content: Digest
  ) throws(StoreError) -> (log: String, mark: LogMark)? {
    let owner = try connection.prepare("select content, log, reached, fingerprint, digest from owner")
    defer { owner.reset() }
    guard try owner.step(), owner.text(0) == content.description,
      let fingerprint = Digest(hexadecimal: owner.text(3))
    else { return nil }
    let mark = LogMark(
      position: Position(UInt64(bitPattern: owner.integer(2))), fingerprint: fingerprint)
    let log = owner.text(1)
    return owner.text(4) == digest(mark, content, log).description ? (log, mark) : nil
  }

  private static func digest(_ mark: LogMark, _ content: Digest, _ log: String) -> Digest {
    Digest.zero.adding(content.description).adding(log).adding(mark.position.value)
      .adding(mark.fingerprint.description)
  }

  /// SQLite's pages have no checksums.
  private func digest(_ snapshot: StreamSnapshot) -> Digest {
    Digest.zero.adding(content.description).adding(log).adding(snapshot.topic.text).adding(snapshot.key)
      .adding(UInt64(snapshot.version)).adding(snapshot.position.value)
      .adding(snapshot.fingerprint.description).adding(snapshot.state)
  }
}
