import MoontideCore

/// The tables `_mt_…` that every store has beside the handler's own, format version 1.
///
/// All are WITHOUT ROWID and hold nothing that depends on clocks or on where batches end, so that a
/// projection's file compares equal by `.dump` with any other replay.
struct Bookkeeping {
  static let format = 1

  let connection: Connection

  static let sql = """
    create table _mt_meta(name text primary key, value) without rowid;
    create table _mt_checkpoints(topic text, partition integer, position integer not null,
      primary key(topic, partition)) without rowid;
    create table _mt_counts(name text primary key, value integer not null) without rowid;
    create table _mt_dead(position integer primary key, topic text not null, partition integer not null,
      offset integer not null, key blob not null, event_id blob not null, event_type text not null,
      event_version integer not null, event_time text not null, code text not null, message text not null,
      file text not null, line integer not null, attempts integer not null, script_version text not null)
      without rowid;
    """

  /// - Parameter decided: how many decisions about dead letters the rows will follow.
  func create(_ identity: StoreIdentity, decided: Int = 0) throws(StoreError) {
    try connection.script(Bookkeeping.sql)
    try connection.script(
      "insert into _mt_counts(name, value) values ('applied', 0), ('next_outbox', 0), ('skipped', 0)")
    if decided > 0 {
      try connection.script("insert into _mt_counts(name, value) values ('decided', \(decided))")
    }
    let meta = try connection.statement("insert into _mt_meta(name, value) values (?1, ?2)")
    let values = [
      ("handler", identity.handler), ("kind", identity.kind.rawValue),
      ("schema_digest", identity.schemaDigest), ("script_version", identity.scriptVersion),
    ]
    for (name, value) in values {
      meta.bind(1, text: name)
      meta.bind(2, text: value)
      try meta.finish()
    }
    try connection.run("insert into _mt_meta(name, value) values ('format', \(Bookkeeping.format))")
  }

  /// Throws `unsupportedFormat` for a newer file, `empty` for one that was never committed, and
  /// `store(.damaged)` for one that is none of ours.
  func identity() throws(StoreOpeningError) -> StoreIdentity {
    let tables = try StoreOpeningError.wrap { () throws(StoreError) in
      try connection.integer("select count(*) from sqlite_schema")
    }
    guard tables != 0 else { throw .empty(path: connection.path) }
    let format = try StoreOpeningError.wrap { () throws(StoreError) -> Int64 in
      let known = try connection.integer(
        "select 1 from sqlite_schema where type = 'table' and name = '_mt_meta'")
      guard known != nil,
        let format = try connection.integer("select value from _mt_meta where name = 'format'")
      else { throw .damaged(path: connection.path, reason: "no store of Moontide's") }
      return format
    }
    guard format <= Bookkeeping.format else {
      throw .unsupportedFormat(
        path: connection.path, version: Int(format), supported: Bookkeeping.format)
    }
    return try StoreOpeningError.wrap { () throws(StoreError) in
      var values: [String: String] = [:]
      let meta = try connection.statement("select name, value from _mt_meta")
      while try meta.step() { values[meta.text(0)] = meta.text(1) }
      meta.reset()
      guard let handler = values["handler"], let kind = values["kind"].flatMap({ HandlerKind(rawValue: $0) }),
        let version = values["script_version"]
      else { throw .damaged(path: connection.path, reason: "_mt_meta is incomplete") }
      return StoreIdentity(
        handler: handler, kind: kind, scriptVersion: version, schemaDigest: values["schema_digest"] ?? "")
    }
  }

  func setScriptVersion(_ version: String) throws(StoreError) {
    let meta = try connection.statement("update _mt_meta set value = ?1 where name = 'script_version'")
    meta.bind(1, text: version)
    try meta.finish()
  }

  /// - Parameter decided: how many decisions about dead letters the rows follow from here on.
  func follow(decided: Int) throws(StoreError) {
    let write = try connection.statement(
      "insert or replace into _mt_counts(name, value) values ('decided', ?1)")
    write.bind(1, Int64(decided))
    try write.finish()
  }

  // MARK: Writing

  func checkpoint(_ partitions: [TopicPartition], _ position: Position) throws(StoreError) {
    let write = try connection.statement(
      """
      insert into _mt_checkpoints(topic, partition, position) values (?1, ?2, ?3)
      on conflict(topic, partition) do update set position = excluded.position
      """)
    for place in partitions {
      write.bind(1, text: place.topic.text)
      write.bind(2, Int64(place.partition))
      write.bind(3, Int64(position.value))
      try write.finish()
    }
  }

  func count(applied: UInt64, skipped: UInt64) throws(StoreError) {
    let write = try connection.statement("update _mt_counts set value = value + ?2 where name = ?1")
    for (name, more) in [("applied", applied), ("skipped", skipped)] where more > 0 {
      write.bind(1, text: name)
      write.bind(2, Int64(more))
      try write.finish()
    }
  }

  func dead(_ letter: DeadLetter) throws(StoreError) {
    let write = try connection.statement(
      "insert or replace into _mt_dead values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)")
    write.bind(1, Int64(letter.position.value))
    write.bind(2, text: letter.topic.text)
    write.bind(3, Int64(letter.partition))
    write.bind(4, Int64(letter.offset.value))
    write.bind(5, blob: letter.key)
    write.bind(6, blob: letter.eventID)
    write.bind(7, text: letter.eventType)
    write.bind(8, Int64(letter.eventVersion))
    write.bind(9, text: letter.eventTime)
    write.bind(10, text: letter.code)
    write.bind(11, text: letter.message)
    write.bind(12, text: letter.file)
    write.bind(13, Int64(letter.line))
    write.bind(14, Int64(letter.attempts))
    write.bind(15, text: letter.scriptVersion)
    try write.finish()
  }

  func revive(_ position: Position) throws(StoreError) {
    let delete = try connection.statement("delete from _mt_dead where position = ?1")
    delete.bind(1, Int64(position.value))
    try delete.finish()
  }

  // MARK: Reading

  func ledger() throws(StoreError) -> HandlerLedger {
    var ledger = HandlerLedger()
    let checkpoints = try connection.statement("select topic, partition, position from _mt_checkpoints")
    while try checkpoints.step() {
      let place = TopicPartition(
        topic: try topic(checkpoints.text(0)), partition: UInt16(checkpoints.integer(1)))
      ledger.checkpoints[place] = Position(UInt64(checkpoints.integer(2)))
    }
    checkpoints.reset()
    let counts = try connection.statement("select name, value from _mt_counts")
    while try counts.step() {
      // Event time may lie before 1970.
      let value = UInt64(bitPattern: counts.integer(1))
      switch counts.text(0) {
      case "applied": ledger.applied = value
      case "skipped": ledger.skipped = value
      case "next_outbox": ledger.nextOutbox = value
      case "decided": ledger.decided = Int(value)
      case "unknown": ledger.unknown = value
      case "event_time": ledger.eventTime = counts.integer(1)
      default: break
      }
    }
    counts.reset()
    let dead = try connection.statement("select position, code from _mt_dead order by position")
    while try dead.step() {
      let position = Position(UInt64(dead.integer(0)))
      ledger.degradedSince = ledger.degradedSince ?? position
      ledger.deadCodes[position] = dead.text(1)
    }
    dead.reset()
    ledger.deadLetters = ledger.deadCodes.count
    return ledger
  }

  func deadCode(_ position: Position) throws(StoreError) -> String? {
    let read = try connection.statement("select code from _mt_dead where position = ?1")
    read.bind(1, Int64(position.value))
    defer { read.reset() }
    return try read.step() ? read.text(0) : nil
  }

  /// In order of position.
  /// - Parameter position: of the only one that is wanted; nil: all.
  func deadLetters(at position: Position? = nil) throws(StoreError) -> [DeadLetter] {
    var letters: [DeadLetter] = []
    let read = try connection.statement(
      "select * from _mt_dead" + (position == nil ? " order by position" : " where position = ?1"))
    if let position { read.bind(1, Int64(position.value)) }
    while try read.step() {
      letters.append(
        DeadLetter(
          position: Position(UInt64(read.integer(0))), topic: try topic(read.text(1)),
          partition: UInt16(read.integer(2)), offset: Offset(UInt64(read.integer(3))), key: read.bytes(4),
          eventID: read.bytes(5), eventType: read.text(6), eventVersion: UInt32(read.integer(7)),
          eventTime: read.text(8), code: read.text(9), message: read.text(10), file: read.text(11),
          line: Int(read.integer(12)), attempts: Int(read.integer(13)), scriptVersion: read.text(14)))
    }
    read.reset()
    return letters
  }

  func topic(_ text: String) throws(StoreError) -> TopicName {
    guard let name = TopicName(text) else {
      throw .damaged(path: connection.path, reason: "\(text) is not a topic's name")
    }
    return name
  }
}
