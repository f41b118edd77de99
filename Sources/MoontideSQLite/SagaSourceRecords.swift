public import MoontideCore

/// Reads and writes the sources of scripts by which instances of a saga may have to end.
///
/// `_mt_sources`: one row a file; `module` is empty for a handler file. A file of a saga that has no such
/// table gets one when it is opened. Also writes what concerns instances without reading them.
struct SagaSourceRecords {
  static let sql = """
    create table if not exists _mt_sources(version text, module text, path text, text blob not null,
      primary key(version, module, path)) without rowid;
    create index if not exists _mt_sagas_ended on _mt_sagas(changed) where ended = 1;
    """

  let connection: Connection

  init(_ connection: Connection) { self.connection = connection }

  /// Whether the file has the table: a reader may meet one that nobody opened for writing since.
  func exists() throws(StoreError) -> Bool {
    try connection.integer("select 1 from sqlite_schema where name = '_mt_sources'") != nil
  }

  func sources(ofVersion version: String) throws(StoreError) -> [SagaSource] {
    let read = try connection.statement(
      "select module, path, text from _mt_sources where version = ?1 order by module, path")
    read.bind(1, text: version)
    var sources: [SagaSource] = []
    while try read.step() {
      sources.append(SagaSource(module: read.text(0), path: read.text(1), text: read.bytes(2)))
    }
    read.reset()
    return sources
  }

  /// Versions whose sources are kept.
  func versions() throws(StoreError) -> [String] {
    let read = try connection.statement("select distinct version from _mt_sources order by version")
    var versions: [String] = []
    while try read.step() { versions.append(read.text(0)) }
    read.reset()
    return versions
  }

  // MARK: Writing, inside a transaction

  func write(_ change: SagaChange) throws(StoreError) {
    switch change {
    case .keep(let version, let sources):
      for source in sources {
        let insert = try connection.statement(
          "insert or replace into _mt_sources(version, module, path, text) values (?1, ?2, ?3, ?4)")
        insert.bind(1, text: version)
        insert.bind(2, text: source.module)
        insert.bind(3, text: source.path)
        insert.bind(4, blob: source.text)
        try insert.finish()
      }
    case .forget(let kept):
      for version in try versions() where !kept.contains(version) {
        let delete = try connection.statement("delete from _mt_sources where version = ?1")
        delete.bind(1, text: version)
        try delete.finish()
      }
    case .stamp(let keys, let version):
      let update = try connection.statement("update _mt_sagas set script_version = ?2 where key = ?1")
      for key in keys {
        update.bind(1, blob: key)
        update.bind(2, text: version)
        try update.finish()
      }
    case .compact(let kept, let least): try compact(kept: kept, least: least)
    case .announced(let key, let ordinal, let announcement):
      let update = try connection.statement(
        "update _mt_timers set announced = ?3 where key = ?1 and ordinal = ?2")
      update.bind(1, blob: key)
      update.bind(2, Int64(bitPattern: ordinal))
      update.bind(3, announcement.stored)
      try update.finish()
    }
  }

  /// `ended` is 2 of those that were made smaller, until something comes for them.
  private func compact(kept: Int, least: Int) throws(StoreError) {
    let ended = try connection.integer("select count(*) from _mt_sagas where ended = 1") ?? 0
    guard ended >= Int64(kept + least) else { return }
    let update = try connection.statement(
      """
      update _mt_sagas set ended = 2, state = x'', body = cast('{"stage":0,"steps":[]}' as blob)
      where key in (select key from _mt_sagas where ended = 1
        and instr(body, cast('"pending":' as blob)) = 0 and instr(body, cast('"blind":true' as blob)) = 0
        order by changed limit ?1)
      """)
    update.bind(1, ended - Int64(kept))
    try update.finish()
    try connection.run(
      """
      delete from _mt_sent where exists
        (select 1 from _mt_sagas where _mt_sagas.key = _mt_sent.key and ended = 2)
      """)
  }
}

extension StoreReader {
  /// Versions of a saga's script whose sources are kept.
  public func sourceVersions() throws(StoreError) -> [String] {
    guard identity.kind == .saga else { return [] }
    let records = SagaSourceRecords(connection)
    return try records.exists() ? try records.versions() : []
  }
}
