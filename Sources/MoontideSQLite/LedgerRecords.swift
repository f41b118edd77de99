import MoontideCore

/// Reads and writes the table of a consumer's file that is its ledger of effects.
///
/// | column | what |
/// | --- | --- |
/// | `sequence` | dense, rising; the order of recording |
/// | `key` | the idempotency key, once |
/// | `request` | JSON with holes for references, never a value of the environment |
/// | `status` | `EffectStatus` |
/// | `script_version` | of the handler that caused it; null in what is older than the column |
/// | `due`, `ended` | microseconds since 1970; 0: at once, not yet |
struct LedgerRecords {
  let connection: Connection
  let bookkeeping: Bookkeeping

  /// Since the ledger came later than the format, a file that has none gets one when it is opened.
  static let sql = """
    create table if not exists _mt_effects(sequence integer primary key, key text not null unique,
      kind text not null, target text not null, request blob not null, topic text not null,
      order_key blob not null, cause integer not null, meta blob not null, status integer not null,
      round integer not null, attempts integer not null, due integer not null, error text not null,
      result blob not null, ended integer not null, script_version text);
    drop index if exists _mt_effects_open;
    create index if not exists _mt_effects_left on _mt_effects(sequence, status) where status <> 2;
    """

  /// Whether the file has one: a reader may meet a file that nobody opened for writing since.
  func exists() throws(StoreError) -> Bool {
    try connection.integer("select 1 from sqlite_schema where name = '_mt_effects'") != nil
  }

  /// A file from before versions were noted gets a column for them.
  func follow() throws(StoreError) {
    try connection.script(Self.sql)
    if try !hasVersions() { try connection.run("alter table _mt_effects add column script_version text") }
  }

  private func hasVersions() throws(StoreError) -> Bool {
    try connection.integer(
      "select 1 from pragma_table_info('_mt_effects') where name = 'script_version'") != nil
  }

  // MARK: Reading

  private static let summary =
    "sequence, key, kind, target, topic, order_key, cause, status, round, attempts, due, error, ended"

  func open(from sequence: UInt64, limit: Int) throws(StoreError) -> [LedgerEffect] {
    let read = try connection.statement(
      """
      select \(Self.summary) from _mt_effects where status <> 2 and status < 2 and sequence >= ?1
      order by sequence limit ?2
      """)
    read.bind(1, Int64(sequence))
    read.bind(2, Int64(limit))
    var effects: [LedgerEffect] = []
    while try read.step() { effects.append(try effect(read)) }
    read.reset()
    return effects
  }

  /// Oldest first. What is done is the most of it, and is passed over where it is not wanted.
  func select(_ selection: LedgerSelection) throws(StoreError) -> [LedgerEffect] {
    var conditions: [String] = selection.key == nil ? [] : ["key = ?1"]
    if let statuses = selection.statuses {
      conditions.append("status in (\(statuses.map { "\($0.rawValue)" }.sorted().joined(separator: ",")))")
      if !statuses.contains(.done) { conditions.append("status <> 2") }
    }
    let condition = conditions.isEmpty ? "" : " where " + conditions.joined(separator: " and ")
    let version = try hasVersions() ? "script_version" : "null"
    let read = try connection.statement(
      "select \(Self.summary), \(selection.withResults ? "result" : "x''"), "
        + "\(selection.withRequests ? "request" : "x''"), \(version) from _mt_effects\(condition) "
        + "order by sequence")
    if let key = selection.key { read.bind(1, text: key) }
    var effects: [LedgerEffect] = []
    while try read.step() {
      var effect = try effect(read)
      effect.result = read.bytes(13)
      effect.request = read.bytes(14)
      effect.scriptVersion = read.text(15)
      effects.append(effect)
    }
    read.reset()
    return effects
  }

  func effect(_ sequence: UInt64) throws(StoreError) -> LedgerEffect? {
    let read = try connection.statement(
      "select \(Self.summary), result, request, meta from _mt_effects where sequence = ?1")
    read.bind(1, Int64(sequence))
    defer { read.reset() }
    guard try read.step() else { return nil }
    var effect = try effect(read)
    effect.result = read.bytes(13)
    effect.request = read.bytes(14)
    effect.meta = read.bytes(15)
    return effect
  }

  func end() throws(StoreError) -> UInt64 {
    UInt64(try connection.integer("select coalesce(max(sequence) + 1, 0) from _mt_effects") ?? 0)
  }

  /// Whether something is left to do; by the index alone.
  func hasOpen() throws(StoreError) -> Bool {
    try connection.integer("select 1 from _mt_effects where status <> 2 and status < 2 limit 1") != nil
  }

  /// By indexes alone.
  func counts() throws(StoreError) -> LedgerCounts {
    let read = try connection.statement(
      """
      select status, count(*) from _mt_effects where status <> 2 group by status
      union all select 2, count(*) from _mt_effects
      """)
    var counts = LedgerCounts()
    while try read.step() {
      let count = UInt64(read.integer(1))
      switch EffectStatus(rawValue: UInt8(truncatingIfNeeded: read.integer(0))) {
      case .waiting?, .failed?: counts.open += count
      case .dead?: counts.dead += count
      case .done?: counts.done = count
      case nil: throw .damaged(path: connection.path, reason: "an effect has the status \(read.integer(0))")
      }
    }
    read.reset()
    // It counted all of them.
    counts.done -= counts.open + counts.dead
    return counts
  }

  private func effect(_ read: Statement) throws(StoreError) -> LedgerEffect {
    guard let kind = EffectKind(rawValue: read.text(2)),
      let status = EffectStatus(rawValue: UInt8(truncatingIfNeeded: read.integer(7)))
    else {
      throw .damaged(
        path: connection.path, reason: "an effect has the kind \(read.text(2)), status \(read.integer(7))")
    }
    return LedgerEffect(
      sequence: UInt64(read.integer(0)), key: read.text(1), kind: kind, target: read.text(3), request: [],
      topic: try bookkeeping.topic(read.text(4)), orderKey: read.bytes(5),
      cause: Position(UInt64(read.integer(6))), meta: [], status: status, round: Int(read.integer(8)),
      attempts: Int(read.integer(9)), dueMicroseconds: read.integer(10), error: read.text(11),
      endedMicroseconds: read.integer(12))
  }

  // MARK: Writing, inside a transaction

  func write(_ change: LedgerChange) throws(StoreError) {
    switch change {
    case .recorded(let effect): try record(effect)
    case .failed(let sequence, let attempts, let due, let error):
      let write = try connection.statement(
        "update _mt_effects set status = 1, attempts = ?2, due = ?3, error = ?4 where sequence = ?1")
      write.bind(1, Int64(sequence))
      write.bind(2, Int64(attempts))
      write.bind(3, due)
      write.bind(4, text: error)
      try write.finish()
    case .ended(let sequence, let status, let attempts, let result, let error, let ended):
      precondition(!status.isOpen, "an effect that ended is \(status)")
      let write = try connection.statement(
        """
        update _mt_effects set status = ?2, attempts = ?3, due = 0, result = ?4, error = ?5, ended = ?6
        where sequence = ?1
        """)
      write.bind(1, Int64(sequence))
      write.bind(2, Int64(status.rawValue))
      write.bind(3, Int64(attempts))
      write.bind(4, blob: result)
      write.bind(5, text: error)
      write.bind(6, ended)
      try write.finish()
    case .again(let sequence):
      let write = try connection.statement(
        """
        update _mt_effects set status = 0, round = round + 1, attempts = 0, due = 0, error = '', result = x'',
          ended = 0 where sequence = ?1 and status >= 2
        """)
      write.bind(1, Int64(sequence))
      try write.finish()
    case .forgotten(let below):
      let delete = try connection.statement("delete from _mt_effects where status = 2 and sequence < ?1")
      delete.bind(1, Int64(below))
      try delete.finish()
    }
  }

  private func record(_ effect: LedgerEffect) throws(StoreError) {
    let write = try connection.statement(
      """
      insert into _mt_effects values ((select coalesce(max(sequence) + 1, 0) from _mt_effects),
        ?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) on conflict(key) do nothing
      """)
    write.bind(1, text: effect.key)
    write.bind(2, text: effect.kind.rawValue)
    write.bind(3, text: effect.target)
    write.bind(4, blob: effect.request)
    write.bind(5, text: effect.topic.text)
    write.bind(6, blob: effect.orderKey)
    write.bind(7, Int64(effect.cause.value))
    write.bind(8, blob: effect.meta)
    write.bind(9, Int64(effect.status.rawValue))
    write.bind(10, Int64(effect.round))
    write.bind(11, Int64(effect.attempts))
    write.bind(12, effect.dueMicroseconds)
    write.bind(13, text: effect.error)
    write.bind(14, blob: effect.result)
    write.bind(15, effect.endedMicroseconds)
    write.bind(16, text: effect.scriptVersion)
    try write.finish()
  }
}
