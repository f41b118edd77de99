import MoontideCore

/// Reads and writes the tables of a consumer's file.
struct ConsumerRecords {
  let connection: Connection
  let bookkeeping: Bookkeeping
  let effects: LedgerRecords

  init(_ connection: Connection) {
    self.connection = connection
    bookkeeping = Bookkeeping(connection: connection)
    effects = LedgerRecords(connection: connection, bookkeeping: bookkeeping)
  }

  // MARK: Reading

  func ledger() throws(StoreError) -> HandlerLedger {
    var ledger = try bookkeeping.ledger()
    // Only a projection is degraded: a consumer's dead letters can still be handled.
    ledger.degradedSince = nil
    var parked: [ParkedKey] = []
    let read = try connection.statement(
      "select topic, key, position, status, attempts, due from _mt_parked order by position")
    while try read.step() {
      guard let status = ParkedKey.Status(rawValue: UInt8(truncatingIfNeeded: read.integer(3))) else {
        throw .damaged(path: connection.path, reason: "a parked key has the status \(read.integer(3))")
      }
      parked.append(
        ParkedKey(
          topic: try bookkeeping.topic(read.text(0)), key: read.bytes(1),
          position: Position(UInt64(read.integer(2))), status: status, attempts: Int(read.integer(4)),
          dueMicroseconds: read.integer(5)))
    }
    read.reset()
    let held = try connection.statement(
      "select position from _mt_held where topic = ?1 and key = ?2 order by position")
    for index in parked.indices {
      held.bind(1, text: parked[index].topic.text)
      held.bind(2, blob: parked[index].key)
      while try held.step() { parked[index].held.append(Position(UInt64(held.integer(0)))) }
      held.reset()
    }
    ledger.parked = parked
    return ledger
  }

  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    var events: [OutboxEvent] = []
    let read = try connection.statement(
      "select * from _mt_outbox where sequence >= ?1 order by sequence limit ?2")
    read.bind(1, Int64(sequence))
    read.bind(2, Int64(limit))
    while try read.step() {
      events.append(
        OutboxEvent(
          sequence: UInt64(read.integer(0)), topic: try bookkeeping.topic(read.text(1)), id: read.bytes(2),
          source: read.bytes(3), type: read.bytes(4), version: UInt32(read.integer(5)), key: read.bytes(6),
          time: read.bytes(7), data: read.bytes(8), meta: read.bytes(9),
          cause: Position(UInt64(read.integer(10)))))
    }
    read.reset()
    return events
  }

  func state(_ topic: TopicName, _ key: [UInt8]) throws(StoreError) -> [UInt8]? {
    let read = try connection.statement("select value from _mt_state where topic = ?1 and key = ?2")
    read.bind(1, text: topic.text)
    read.bind(2, blob: key)
    defer { read.reset() }
    return try read.step() ? read.bytes(0) : nil
  }

  // MARK: Writing, inside a transaction

  func write(_ entries: [EffectEntry]) throws(StoreError) {
    var end: Int64?
    for entry in entries {
      guard case .emit(let event) = entry else {
        try write(entry)
        continue
      }
      // Asked once: nobody else writes before the commit.
      if end == nil {
        end = try connection.integer("select value from _mt_counts where name = 'next_outbox'")
      }
      let number = end ?? 0
      try emit(event, number)
      end = number + 1
    }
    guard let end else { return }
    let count = try connection.statement("update _mt_counts set value = ?1 where name = 'next_outbox'")
    count.bind(1, end)
    try count.finish()
  }

  private func write(_ entry: EffectEntry) throws(StoreError) {
    switch entry {
    case .checkpoint(let partitions, let position): try bookkeeping.checkpoint(partitions, position)
    case .count(let applied, let skipped): try bookkeeping.count(applied: applied, skipped: skipped)
    case .dead(let letter): try bookkeeping.dead(letter)
    case .revived(let position): try bookkeeping.revive(position)
    case .state(let topic, let key, let value): try write(topic, key, value)
    case .emit: preconditionFailure("what is emitted is numbered where all of it is written")
    case .effect(let change): try effects.write(change)
    case .relayed(let below):
      let delete = try connection.statement("delete from _mt_outbox where sequence < ?1")
      delete.bind(1, Int64(below))
      try delete.finish()
    case .parked(let key): try park(key)
    case .unparked(let topic, let key): try unpark(topic, key)
    case .held(let topic, let key, let position):
      try keyed("insert or ignore into _mt_held values (?1, ?2, ?3)", topic, key, position)
    case .saga(let row): try SagaRecords(connection).write(row)
    case .eventTime(let microseconds): try SagaRecords(connection).write(eventTime: microseconds)
    case .unknown(let count): try SagaRecords(connection).count(unknown: count)
    case .sagaChange(let change): try SagaSourceRecords(connection).write(change)
    case .released(let topic, let key, let position):
      try keyed("delete from _mt_held where topic = ?1 and key = ?2 and position = ?3", topic, key, position)
    }
  }

  private func keyed(_ sql: String, _ topic: TopicName, _ key: [UInt8], _ position: Position?)
    throws(StoreError)
  {
    let statement = try connection.statement(sql)
    statement.bind(1, text: topic.text)
    statement.bind(2, blob: key)
    if let position { statement.bind(3, Int64(position.value)) }
    try statement.finish()
  }

  private func write(_ topic: TopicName, _ key: [UInt8], _ value: [UInt8]?) throws(StoreError) {
    guard let value else {
      return try keyed("delete from _mt_state where topic = ?1 and key = ?2", topic, key, nil)
    }
    let write = try connection.statement(
      """
      insert into _mt_state values (?1, ?2, ?3) on conflict(topic, key) do update set value = excluded.value
      """)
    write.bind(1, text: topic.text)
    write.bind(2, blob: key)
    write.bind(3, blob: value)
    try write.finish()
  }

  private func emit(_ event: OutboxEvent, _ number: Int64) throws(StoreError) {
    let write = try connection.fixed("insert into _mt_outbox values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")
    write.bind(1, number)
    write.bind(2, text: event.topic.text)
    write.bind(3, blob: event.id)
    write.bind(4, blob: event.source)
    write.bind(5, blob: event.type)
    write.bind(6, Int64(event.version))
    write.bind(7, blob: event.key)
    write.bind(8, blob: event.time)
    write.bind(9, blob: event.data)
    write.bind(10, blob: event.meta)
    write.bind(11, Int64(event.cause.value))
    try write.finish()
  }

  private func park(_ key: ParkedKey) throws(StoreError) {
    if key.status == .retrying { try forgetDeadLetter(of: key.topic, key.key) }
    let write = try connection.statement("insert or replace into _mt_parked values (?1, ?2, ?3, ?4, ?5, ?6)")
    write.bind(1, text: key.topic.text)
    write.bind(2, blob: key.key)
    write.bind(3, Int64(key.position.value))
    write.bind(4, Int64(key.status.rawValue))
    write.bind(5, Int64(key.attempts))
    write.bind(6, key.dueMicroseconds)
    try write.finish()
    for position in key.held {
      try keyed("insert or ignore into _mt_held values (?1, ?2, ?3)", key.topic, key.key, position)
    }
  }

  private func unpark(_ topic: TopicName, _ key: [UInt8]) throws(StoreError) {
    try forgetDeadLetter(of: topic, key)
    try keyed("delete from _mt_parked where topic = ?1 and key = ?2", topic, key, nil)
    try keyed("delete from _mt_held where topic = ?1 and key = ?2", topic, key, nil)
  }

  /// A key that waited for a person goes on: its event is tried again or applied, and no longer dead. The
  /// letter of an event that was skipped stays, since its key was not parked as dead.
  private func forgetDeadLetter(of topic: TopicName, _ key: [UInt8]) throws(StoreError) {
    try keyed(
      """
      delete from _mt_dead where position in
        (select position from _mt_parked
          where topic = ?1 and key = ?2 and status = \(ParkedKey.Status.dead.rawValue))
      """, topic, key, nil)
  }
}
