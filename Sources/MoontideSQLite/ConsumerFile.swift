import MoontideCore
import Synchronization

/// The file of a consumer or a saga, `handlers/NAME.sqlite`, opened for all its lanes. Any thread may ask for
/// a lane's store.
///
/// SQLite lets one connection write at a time; here the lanes queue at a gate in the process, so none of them
/// polls a lock. What is in the file is truth (state, outbox, parked keys), so every commit is flushed.
public final class ConsumerFile: Sendable {
  public let path: String
  public let identity: StoreIdentity
  let vfs: String?
  /// Held from `begin immediate` to `commit`.
  let gate = Mutex<Void>(())

  /// Format version 1, beside `Bookkeeping`'s and `LedgerRecords`': state by key, events on their way to the
  /// log, parked keys and what waits behind them. `due` is microseconds since 1970.
  static let sql = """
    create table _mt_state(topic text, key blob, value blob not null,
      primary key(topic, key)) without rowid;
    create table _mt_outbox(sequence integer primary key, topic text not null, id blob not null,
      source blob not null, type blob not null, version integer not null, key blob not null,
      time blob not null, data blob not null, meta blob not null, cause integer not null);
    create table _mt_parked(topic text, key blob, position integer not null, status integer not null,
      attempts integer not null, due integer not null, primary key(topic, key)) without rowid;
    create table _mt_held(topic text, key blob, position integer,
      primary key(topic, key, position)) without rowid;
    """

  /// Opens the file, or makes it when it is missing or empty. A file that is there keeps its own handler and
  /// kind; `identity.scriptVersion` is written into it.
  public init(path: String, identity: StoreIdentity, vfs: String? = nil) throws(StoreOpeningError) {
    let connection = try StoreOpeningError.wrap { () throws(StoreError) in
      let connection = try Connection(path, .create, vfs: vfs)
      try StorePragmas.apply(.truth, to: connection)
      return connection
    }
    let bookkeeping = Bookkeeping(connection: connection)
    let isNew = try StoreOpeningError.wrap { () throws(StoreError) -> Bool in
      guard try connection.integer("select count(*) from sqlite_schema") == 0 else { return false }
      try connection.run("begin immediate")
      try bookkeeping.create(identity)
      try connection.script(ConsumerFile.sql + LedgerRecords.sql)
      if identity.kind == .saga { try connection.script(SagaRecords.sql) }
      try connection.run("commit")
      return true
    }
    var known = try bookkeeping.identity()
    try StoreOpeningError.wrap { () throws(StoreError) in
      if !isNew { try LedgerRecords(connection: connection, bookkeeping: bookkeeping).follow() }
      if known.kind == .saga { try connection.script(SagaSourceRecords.sql) }
    }
    if !isNew, known.scriptVersion != identity.scriptVersion {
      try StoreOpeningError.wrap { () throws(StoreError) in
        try bookkeeping.setScriptVersion(identity.scriptVersion)
      }
      known.scriptVersion = identity.scriptVersion
    }
    self.path = path
    self.identity = known
    self.vfs = vfs
  }

  /// A store for one lane, to be used by one thread.
  public func store() throws(StoreOpeningError) -> ConsumerStore {
    try StoreOpeningError.wrap { () throws(StoreError) in try ConsumerStore(self) }
  }
}
