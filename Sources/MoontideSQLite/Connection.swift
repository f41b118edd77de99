import CSQLite
import Glibc
import MoontideCore

/// One connection to SQLite, owned by one thread from birth to death: the only door to `sqlite3_open` and
/// `sqlite3_prepare`. Statements are prepared once and kept by their text.
final class Connection {
  enum Mode {
    /// The file must exist and is not changed.
    case readOnly
    case readWrite
    /// Like `readWrite`, but makes the file when it is missing.
    case create
    /// Private and in memory; the path is only for messages.
    case memory
  }

  let handle: OpaquePointer
  let path: String
  /// Decides what statements may do; asked while they are prepared.
  let authorizer = Authorizer()
  private var cache: [String: Statement] = [:]
  /// The same of texts that stand in this program, by where they stand.
  private var fixed: [UnsafeRawPointer: Statement] = [:]
  /// Once for the process. Refused when SQLite is in use already, which only leaves it slower.
  private static let isPrepared: Bool = mt_prepare_memory() == SQLITE_OK

  /// Opens the database. `vfs` names a registered VFS, nil takes SQLite's own.
  /// Throws `io`, `damaged` or `full`, as SQLite says.
  init(_ path: String, _ mode: Mode, vfs: String? = nil) throws(StoreError) {
    _ = Connection.isPrepared
    let flags =
      switch mode {
      case .readOnly: SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
      case .readWrite: SQLITE_OPEN_READWRITE
      case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      // Files are attached by URI.
      case .memory: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_URI
      }
    var opened: OpaquePointer?
    let name =
      switch mode {
      case .memory: ":memory:"
      // Another VFS has its own names.
      case .readOnly where vfs == nil: ReadOnlyAddress.of(path)
      default: path
      }
    let code = sqlite3_open_v2(name, &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs)
    guard code == SQLITE_OK, let opened else {
      let error = StoreError(
        code: code, system: opened.map { sqlite3_system_errno($0) } ?? 0,
        message: Connection.message(of: opened), path: path)
      sqlite3_close_v2(opened)
      throw error
    }
    handle = opened
    self.path = path
    // A writer never waits: lanes queue at their gate. A reader may meet a recovery or a checkpoint.
    sqlite3_busy_timeout(handle, Limits.storeBusyMillisecondsMax)
    _ = mt_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1)
    _ = mt_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    _ = mt_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0)
    _ = mt_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0)
    authorizer.install(on: handle)
  }

  deinit {
    cache.removeAll()
    fixed.removeAll()
    sqlite3_close_v2(handle)
  }

  /// Opens a file for reading only, and the write-ahead log that belongs to it, beside a process that may put
  /// another file in its place at any moment.
  static func reading(_ path: String, vfs: String? = nil) throws(StoreError) -> Connection {
    guard vfs == nil else { return try Connection(path, .readOnly, vfs: vfs) }
    var tries = 0
    while true {
      let opened = try SwapLock.opening(path) { () throws(StoreError) in
        let opened = try Connection(path, .readOnly)
        // What is wrong with the file is told when it is used.
        _ = sqlite3_exec(opened.handle, "select count(*) from sqlite_schema", nil, nil, nil)
        return opened
      }
      tries += 1
      if !opened.hasMoved() || tries == Limits.movedFileTriesMax { return opened }
    }
  }

  /// Whether the file of a schema does not have its name any more. Asked right after the first read it says
  /// whether the write-ahead log may be another file's.
  /// <https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntlhasmoved>
  func hasMoved(_ schema: String = "main") -> Bool {
    var moved: Int32 = 0
    return sqlite3_file_control(handle, schema, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0
  }

  /// The statement of that text, prepared at its first use and kept. One statement is used by one caller at
  /// a time; every use ends with `reset`.
  func statement(_ text: String) throws(StoreError) -> Statement {
    if let known = cache[text] { return known }
    let made = try prepare(text)
    cache[text] = made
    return made
  }

  /// The same for a text that stands in this program: nothing of it is hashed, for what runs once an event.
  func fixed(_ text: StaticString) throws(StoreError) -> Statement {
    let place = UnsafeRawPointer(text.utf8Start)
    if let known = fixed[place] { return known }
    let made = try statement(text.description)
    fixed[place] = made
    return made
  }

  /// A statement that the caller keeps. Throws `refused` with SQLite's text.
  func prepare(_ text: String) throws(StoreError) -> Statement {
    var prepared: OpaquePointer?
    let code = sqlite3_prepare_v3(
      handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
    guard code == SQLITE_OK else { throw failure(code) }
    guard let prepared else { throw .refused("an empty statement") }
    return Statement(prepared, of: self)
  }

  /// Runs one statement without arguments and rows to its end.
  func run(_ text: String) throws(StoreError) {
    let statement = try statement(text)
    while try statement.step() {}
    statement.reset()
  }

  /// Runs several statements, none of which is kept.
  func script(_ text: String) throws(StoreError) {
    let code = sqlite3_exec(handle, text, nil, nil, nil)
    if code != SQLITE_OK { throw failure(code) }
  }

  /// Whether a process that was killed left a journal which must be rolled back before anything can be read,
  /// and this connection may only read. <https://www.sqlite.org/rescode.html#readonly_rollback>
  var needsRollback: Bool {
    sqlite3_exec(handle, "select count(*) from sqlite_schema", nil, nil, nil)
      == SQLITE_READONLY | (3 << 8)
  }

  /// The first column of the first row as an integer, nil without a row.
  func integer(_ text: String) throws(StoreError) -> Int64? {
    let statement = try statement(text)
    defer { statement.reset() }
    return try statement.step() ? statement.integer(0) : nil
  }

  /// Meets SQLite's table-valued functions once: at its first use each declares its columns, which the
  /// authorizer would refuse as a creation.
  func meetTableFunctions() throws(StoreError) {
    _ = try prepare("select 1 from json_each('[]'), json_tree('[]')")
  }

  /// Rows that the last statement changed.
  var changes: Int { Int(sqlite3_changes64(handle)) }
  var lastRowID: Int64 { sqlite3_last_insert_rowid(handle) }
  var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }
  /// Byte offset of the last error in its SQL, or nil.
  var errorOffset: Int? {
    let offset = sqlite3_error_offset(handle)
    return offset < 0 ? nil : Int(offset)
  }

  /// The error of the last call, as a typed one.
  func failure(_ code: Int32) -> StoreError {
    if let refusal = authorizer.takeRefusal() { return .refused(refusal) }
    return StoreError(
      code: code, system: sqlite3_system_errno(handle), message: Connection.message(of: handle), path: path)
  }

  /// Makes everything in the main file durable by its VFS's own sync.
  func sync() throws(StoreError) {
    let code = mt_sync_database(handle)
    if code != SQLITE_OK { throw .io(path: path, reason: "sync failed (SQLite code \(code))") }
  }

  private static func message(of handle: OpaquePointer?) -> String {
    guard let handle, let text = sqlite3_errmsg(handle) else { return "out of memory" }
    return String(cString: text)
  }
}

extension StoreError {
  /// Failures of the file system that leave everything as it was: opening, writing, growing the index of the
  /// WAL. What failed while reading or syncing is never one of a passing shortage.
  private static let repeatable: Set<Int32> = [
    SQLITE_CANTOPEN, mt_ioerr_write(), mt_ioerr_shmopen(), mt_ioerr_shmsize(), mt_ioerr_shmmap(),
  ]

  /// What a result code of SQLite means to us. <https://www.sqlite.org/rescode.html>
  /// - Parameter system: the `errno` behind it, as far as SQLite knows one.
  init(code: Int32, system: Int32, message: String, path: String) {
    let cause = FileError(operation: "use", path: path, errno: system, reason: message)
    if cause.isPassing, StoreError.repeatable.contains(code) {
      let reason = String(cString: strerror(system))
      self = cause.isFullDisk ? .full(path: path) : .exhausted(path: path, reason: reason)
      return
    }
    switch code & 0xff {
    case SQLITE_FULL: self = .full(path: path)
    case SQLITE_CORRUPT, SQLITE_NOTADB: self = .damaged(path: path, reason: message)
    case SQLITE_CONSTRAINT: self = .constraint(message)
    case SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_READONLY, SQLITE_PERM,
      SQLITE_PROTOCOL, SQLITE_NOLFS, SQLITE_NOMEM:
      let why = system == 0 ? "" : ": " + String(cString: strerror(system))
      self = .io(path: path, reason: "\(message)\(why) (SQLite code \(code))")
    default: self = .refused(message)
    }
  }
}

/// A name as SQL writes it: in double quotes, quotes doubled.
func quoted(_ name: String) -> String {
  "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}
