public import MoontideCore

/// Reads and writes what a saga's file has beside that of a consumer.
///
/// Format version 1:
/// - `_mt_sagas`: one row an instance; `status` as people see it, `ended` 0 or 1, or 2 where
///   little of it is kept, `began` and `changed`
///   positions, `time` event time of the last change in microseconds, `state` as `StateCodec` reads it,
///   `body` a JSON object;
/// - `_mt_timers`: one row a timer that is set; `clock` 1 event time, 2 the time of day; `due` microseconds;
///   `announced` as `TimerAnnouncement` says: 1 when the time of day sent its firing on its way through the
///   log, from 2 on when it waits with what is parked;
/// - `_mt_sent`: whose command an id is;
/// - in `_mt_counts`: `event_time`, the running maximum of event time, and `unknown`.
struct SagaRecords {
  static let sql = """
    create table _mt_sagas(key blob primary key, status text not null, ended integer not null,
      trace blob not null, began integer not null, changed integer not null, time integer not null,
      reason text not null, script_version text not null, state blob not null, body blob not null)
      without rowid;
    create index _mt_sagas_open on _mt_sagas(script_version, key) where ended = 0;
    create index _mt_sagas_trace on _mt_sagas(trace);
    create table _mt_timers(key blob, ordinal integer, purpose text not null, clock integer not null,
      due integer not null, announced integer not null, primary key(key, ordinal)) without rowid;
    create index _mt_timers_due on _mt_timers(clock, due) where announced < 2;
    create table _mt_sent(id blob primary key, key blob not null) without rowid;
    """

  let connection: Connection

  init(_ connection: Connection) { self.connection = connection }

  // MARK: Reading

  private static let columns =
    "key, status, ended, trace, began, changed, time, reason, script_version, state, body"

  func saga(_ key: [UInt8]) throws(StoreError) -> SagaRow? {
    let read = try connection.fixed(
      """
      select key, status, ended, trace, began, changed, time, reason, script_version, state, body
      from _mt_sagas where key = ?1
      """)
    defer { read.reset() }
    read.bind(1, blob: key)
    guard try read.step() else { return nil }
    var row = Self.row(read)
    row.timers = try timers(of: key)
    return row
  }

  /// - Parameter key: those behind it; nil: from the first on.
  func sagas(after key: [UInt8]?, limit: Int) throws(StoreError) -> [SagaRow] {
    var rows: [SagaRow] = []
    let read = try connection.statement(
      "select \(Self.columns) from _mt_sagas where (?1 = 0 or key > ?2) order by key limit ?3")
    read.bind(1, key == nil ? 0 : 1)
    read.bind(2, blob: key ?? [])
    read.bind(3, Int64(limit))
    while try read.step() { rows.append(Self.row(read)) }
    read.reset()
    for index in rows.indices { rows[index].timers = try timers(of: rows[index].key) }
    return rows
  }

  /// Those that have not ended and stand by other versions; see `SagaStore.openSagas`.
  func open(except version: String, after last: SagaRow?, limit: Int) throws(StoreError) -> [SagaRow] {
    if let last, last.scriptVersion > version {
      return try open(above: last.scriptVersion, last.key, below: nil, limit: limit)
    }
    let before = try open(above: last?.scriptVersion ?? "", last?.key ?? [], below: version, limit: limit)
    // A key is UTF-8, and so less than a byte of ones.
    return before.isEmpty ? try open(above: version, [0xff], below: nil, limit: limit) : before
  }

  private func open(
    above version: String, _ key: [UInt8], below end: String?, limit: Int
  ) throws(StoreError) -> [SagaRow] {
    let read = try connection.statement(
      """
      select \(Self.columns) from _mt_sagas
      where ended = 0 and (script_version, key) > (?1, ?2) and script_version < ?3
      order by script_version, key limit ?4
      """)
    read.bind(1, text: version)
    read.bind(2, blob: key)
    // Any text is less than a blob.
    if let end { read.bind(3, text: end) } else { read.bind(3, blob: []) }
    read.bind(4, Int64(limit))
    var rows: [SagaRow] = []
    while try read.step() { rows.append(Self.row(read)) }
    read.reset()
    for index in rows.indices { rows[index].timers = try timers(of: rows[index].key) }
    return rows
  }

  private static func row(_ read: Statement) -> SagaRow {
    SagaRow(
      key: read.bytes(0), status: read.text(1), hasEnded: read.integer(2) != 0, trace: read.bytes(3),
      began: Position(UInt64(read.integer(4))), changed: Position(UInt64(read.integer(5))),
      changedMicroseconds: read.integer(6), reason: read.text(7), scriptVersion: read.text(8),
      state: read.bytes(9), body: read.bytes(10), timers: [], sent: [])
  }

  private static let timerColumns = "key, ordinal, purpose, clock, due, announced"

  private func timers(of key: [UInt8]) throws(StoreError) -> [SagaTimerRow] {
    let read = try connection.fixed(
      "select key, ordinal, purpose, clock, due, announced from _mt_timers where key = ?1 order by ordinal")
    read.bind(1, blob: key)
    return try timers(read)
  }

  func timers(
    _ clock: SagaTimerRow.Clock, through microseconds: Int64, limit: Int
  ) throws(StoreError) -> [SagaTimerRow] {
    let read = try connection.statement(
      """
      select \(Self.timerColumns) from _mt_timers
      where announced < 2 and clock = ?1 and due <= ?2 order by due, key, ordinal limit ?3
      """)
    read.bind(1, Int64(clock.rawValue))
    read.bind(2, microseconds)
    read.bind(3, Int64(limit))
    return try timers(read)
  }

  func timers(after last: SagaTimerRow?, limit: Int) throws(StoreError) -> [SagaTimerRow] {
    let read = try connection.statement(
      """
      select \(Self.timerColumns) from _mt_timers
      where announced < 2 and clock = 1 and (due, key, ordinal) > (?1, ?2, ?3)
      order by due, key, ordinal limit ?4
      """)
    read.bind(1, last?.dueMicroseconds ?? .min)
    read.bind(2, blob: last?.key ?? [])
    read.bind(3, Int64(bitPattern: last?.ordinal ?? 0))
    read.bind(4, Int64(limit))
    return try timers(read)
  }

  private func timers(_ read: Statement) throws(StoreError) -> [SagaTimerRow] {
    var timers: [SagaTimerRow] = []
    while try read.step() {
      guard let clock = SagaTimerRow.Clock(rawValue: UInt8(truncatingIfNeeded: read.integer(3))) else {
        throw .damaged(path: connection.path, reason: "a timer has the clock \(read.integer(3))")
      }
      timers.append(
        SagaTimerRow(
          key: read.bytes(0), ordinal: UInt64(bitPattern: read.integer(1)), purpose: read.text(2),
          clock: clock, dueMicroseconds: read.integer(4),
          announcement: TimerAnnouncement(stored: read.integer(5))))
    }
    read.reset()
    return timers
  }

  func nextTimer(_ clock: SagaTimerRow.Clock) throws(StoreError) -> Int64? {
    let read = try connection.fixed(
      "select due from _mt_timers where announced < 2 and clock = ?1 order by due limit 1")
    defer { read.reset() }
    read.bind(1, Int64(clock.rawValue))
    return try read.step() ? read.integer(0) : nil
  }

  func key(ofCommand id: [UInt8]) throws(StoreError) -> [UInt8]? {
    let read = try connection.fixed("select key from _mt_sent where id = ?1")
    defer { read.reset() }
    read.bind(1, blob: id)
    return try read.step() ? read.bytes(0) : nil
  }

  func keys(traced trace: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]] {
    let read = try connection.statement("select key from _mt_sagas where trace = ?1 order by key limit ?2")
    read.bind(1, blob: trace)
    read.bind(2, Int64(limit))
    var keys: [[UInt8]] = []
    while try read.step() { keys.append(read.bytes(0)) }
    read.reset()
    return keys
  }

  // MARK: Writing, inside a transaction

  func write(_ row: SagaRow) throws(StoreError) {
    if row.isNewlyPlaced { try put(row) } else { try update(row) }
    if row.hasNewTimers {
      let clear = try connection.fixed("delete from _mt_timers where key = ?1")
      clear.bind(1, blob: row.key)
      try clear.finish()
      for timer in row.timers { try write(timer) }
    }
    for id in row.sent {
      let sent = try connection.fixed("insert or ignore into _mt_sent(id, key) values (?1, ?2)")
      sent.bind(1, blob: id)
      sent.bind(2, blob: row.key)
      try sent.finish()
    }
  }

  private func put(_ row: SagaRow) throws(StoreError) {
    let insert = try connection.fixed(
      """
      insert into _mt_sagas(key, status, ended, trace, began, changed, time, reason, script_version, state,
        body) values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)
      on conflict(key) do update set status = excluded.status, ended = excluded.ended,
        changed = excluded.changed, time = excluded.time, reason = excluded.reason,
        script_version = excluded.script_version, state = excluded.state, body = excluded.body
      """)
    insert.bind(1, blob: row.key)
    insert.bind(2, text: row.status)
    insert.bind(3, row.hasEnded ? 1 : 0)
    insert.bind(4, blob: row.trace)
    insert.bind(5, Int64(row.began.value))
    insert.bind(6, Int64(row.changed.value))
    insert.bind(7, row.changedMicroseconds)
    insert.bind(8, text: row.reason)
    insert.bind(9, text: row.scriptVersion)
    insert.bind(10, blob: row.state)
    insert.bind(11, blob: row.body)
    try insert.finish()
  }

  /// Of an open instance that stays open, by the same version.
  private func update(_ row: SagaRow) throws(StoreError) {
    let update = try connection.fixed(
      """
      update _mt_sagas set status = ?2, changed = ?3, time = ?4, reason = ?5, state = ?6, body = ?7
      where key = ?1
      """)
    update.bind(1, blob: row.key)
    update.bind(2, text: row.status)
    update.bind(3, Int64(row.changed.value))
    update.bind(4, row.changedMicroseconds)
    update.bind(5, text: row.reason)
    update.bind(6, blob: row.state)
    update.bind(7, blob: row.body)
    try update.finish()
  }

  private func write(_ timer: SagaTimerRow) throws(StoreError) {
    let insert = try connection.fixed("insert into _mt_timers values (?1, ?2, ?3, ?4, ?5, ?6)")
    insert.bind(1, blob: timer.key)
    insert.bind(2, Int64(bitPattern: timer.ordinal))
    insert.bind(3, text: timer.purpose)
    insert.bind(4, Int64(timer.clock.rawValue))
    insert.bind(5, timer.dueMicroseconds)
    insert.bind(6, timer.announcement.stored)
    try insert.finish()
  }

  func write(eventTime microseconds: Int64) throws(StoreError) {
    let insert = try connection.statement(
      "insert or replace into _mt_counts(name, value) values ('event_time', ?1)")
    insert.bind(1, microseconds)
    try insert.finish()
  }

  func count(unknown: UInt64) throws(StoreError) {
    let insert = try connection.statement(
      """
      insert into _mt_counts(name, value) values ('unknown', ?1)
      on conflict(name) do update set value = value + excluded.value
      """)
    insert.bind(1, Int64(unknown))
    try insert.finish()
  }
}

extension ConsumerStore: SagaStore {
  public func saga(_ key: [UInt8]) throws(StoreError) -> SagaRow? { try sagas.saga(key) }

  public func sagaKey(ofCommand id: [UInt8]) throws(StoreError) -> [UInt8]? {
    try sagas.key(ofCommand: id)
  }

  public func sagaKeys(traced trace: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]] {
    try sagas.keys(traced: trace, limit: limit)
  }

  public func timers(
    _ clock: SagaTimerRow.Clock, through microseconds: Int64, limit: Int
  ) throws(StoreError) -> [SagaTimerRow] {
    try sagas.timers(clock, through: microseconds, limit: limit)
  }

  public func timers(after last: SagaTimerRow?, limit: Int) throws(StoreError) -> [SagaTimerRow] {
    try sagas.timers(after: last, limit: limit)
  }

  public func nextTimer(_ clock: SagaTimerRow.Clock) throws(StoreError) -> Int64? {
    try sagas.nextTimer(clock)
  }

  public func openSagas(
    except version: String, after last: SagaRow?, limit: Int
  ) throws(StoreError) -> [SagaRow] {
    try sagas.open(except: version, after: last, limit: limit)
  }

  public func sources(ofVersion version: String) throws(StoreError) -> [SagaSource] {
    try SagaSourceRecords(connection).sources(ofVersion: version)
  }
}

extension StoreReader {
  /// Instances of a saga by correlation value, ended ones too; none of another kind's file.
  /// - Parameter key: those behind it; nil: from the first on.
  public func sagas(after key: [UInt8]?, limit: Int) throws(StoreError) -> [SagaRow] {
    guard identity.kind == .saga else { return [] }
    return try SagaRecords(connection).sagas(after: key, limit: limit)
  }

  /// See `SagaStore.openSagas`.
  public func openSagas(
    except version: String, after last: SagaRow?, limit: Int
  ) throws(StoreError) -> [SagaRow] {
    guard identity.kind == .saga else { return [] }
    return try SagaRecords(connection).open(except: version, after: last, limit: limit)
  }

  /// One instance of a saga, or nil.
  public func saga(_ key: [UInt8]) throws(StoreError) -> SagaRow? {
    guard identity.kind == .saga else { return nil }
    return try SagaRecords(connection).saga(key)
  }

  /// Instances of a saga that belong to the chain of events with that correlation id, at most `limit`.
  public func sagas(traced trace: [UInt8], limit: Int) throws(StoreError) -> [SagaRow] {
    guard identity.kind == .saga else { return [] }
    let records = SagaRecords(connection)
    var rows: [SagaRow] = []
    for key in try records.keys(traced: trace, limit: limit) {
      if let row = try records.saga(key) { rows.append(row) }
    }
    return rows
  }

  /// Timers of a saga's instances that are due by the time of day alone.
  public func hasRetries() throws(StoreError) -> Bool {
    guard identity.kind == .saga else { return false }
    return try SagaRecords(connection).nextTimer(.wall) != nil
  }
}
