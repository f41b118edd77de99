public import MoontideCore

/// One lane of a consumer over its `ConsumerFile`. Owned by one thread.
///
/// A transaction collects in memory and is written at its commit, in one short `begin immediate … commit`, so
/// that the lanes' Lua runs side by side.
public final class ConsumerStore: EffectLedger {
  /// Always empty: a consumer has no tables of its own.
  public let tables: [StoreTable] = []
  public let file: ConsumerFile
  let connection: Connection
  private let records: ConsumerRecords
  let sagas: SagaRecords
  private let transaction: ConsumerTransaction

  init(_ file: ConsumerFile) throws(StoreError) {
    self.file = file
    connection = try Connection(file.path, .readWrite, vfs: file.vfs)
    try StorePragmas.apply(.truth, to: connection)
    records = ConsumerRecords(connection)
    sagas = SagaRecords(connection)
    transaction = ConsumerTransaction(file, connection, records)
  }

  public func ledger() throws(StoreError) -> HandlerLedger {
    // One snapshot: another lane may commit between the reads.
    try connection.run("begin")
    defer { connection.endReading() }
    return try records.ledger()
  }

  public func deadCode(_ position: Position) throws(StoreError) -> String? {
    try records.bookkeeping.deadCode(position)
  }

  public func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    try records.outbox(from: sequence, limit: limit)
  }

  public func openEffects(from sequence: UInt64, limit: Int) throws(StoreError) -> [LedgerEffect] {
    try records.effects.open(from: sequence, limit: limit)
  }

  public func effect(_ sequence: UInt64) throws(StoreError) -> LedgerEffect? {
    try records.effects.effect(sequence)
  }

  public func effectEnd() throws(StoreError) -> UInt64 { try records.effects.end() }

  public func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    transaction.begin()
    return transaction
  }

  /// All dead letters, in order of position.
  public func deadLetters() throws(StoreError) -> [DeadLetter] { try records.bookkeeping.deadLetters() }
}

extension Connection {
  /// Ends a transaction that only read; a failure to do so can lose nothing.
  func endReading() {
    guard isInTransaction else { return }
    do { try run("commit") } catch {
      precondition(!isInTransaction, "a read transaction on \(path) does not end: \(error)")
    }
  }
}
