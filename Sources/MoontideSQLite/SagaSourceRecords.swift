public import MoontideCore

/// Reads and writes the sources of scripts by which instances of a saga may have to end.
///
/// `_mt_sources`: one row a file; `module` is empty for a handler file. A file of a saga that has no such
/// table gets one when it is opened.
struct SagaSourceRecords {
  static let sql = """
    create table if not exists _mt_sources(version text, module text, path text, text blob not null,
      primary key(version, module, path)) without rowid;
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
    case .announced(let key, let ordinal):
      let update = try connection.statement(
        "update _mt_timers set announced = 1 where key = ?1 and ordinal = ?2")
      update.bind(1, blob: key)
      update.bind(2, Int64(bitPattern: ordinal))
      try update.finish()
    }
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
