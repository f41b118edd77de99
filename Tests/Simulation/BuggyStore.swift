import MoontideCore

/// A store behind a mistake.
final class BuggyStore: EffectStore {
  fileprivate let store: any EffectStore
  fileprivate let bug: PlantedBug
  fileprivate let numbers: SeededNumbers

  init(_ store: any EffectStore, _ bug: PlantedBug, _ numbers: SeededNumbers) {
    self.store = store
    self.bug = bug
    self.numbers = numbers
  }

  var tables: [StoreTable] { store.tables }
  func ledger() throws(StoreError) -> HandlerLedger { try store.ledger() }
  func deadCode(_ position: Position) throws(StoreError) -> String? { try store.deadCode(position) }
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    try store.outbox(from: bug == .outboxIsReadOneAhead ? sequence + 1 : sequence, limit: limit)
  }
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    BuggyTransaction(self, try store.begin(folding: folding))
  }
}

private final class BuggyTransaction: EffectTransaction {
  private let owner: BuggyStore
  private var inner: any EffectTransaction
  /// Entries that are kept back until the commit.
  private var later: [EffectEntry] = []
  private var mark = 0
  private var hasEnded = false

  init(_ owner: BuggyStore, _ inner: any EffectTransaction) {
    self.owner = owner
    self.inner = inner
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    try inner.row(operation, table: table, arguments: arguments, result: result)
  }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    try inner.sql(text, arguments: arguments, result: result)
  }
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? {
    try inner.state(topic: topic, key: key)
  }

  func write(_ entry: EffectEntry) throws(StoreError) {
    let dice = owner.numbers.chance(0.1)
    switch (owner.bug, entry) {
    case (.checkpointBeforeEffects, _) where owner.tables.isEmpty,
      (.decisionIsCarriedOutInTwo, _) where owner.tables.isEmpty:
      later.append(entry)
      try inner.write(entry)
    case (.effectsBeforeCheckpoint, _) where owner.tables.isEmpty && entry.isPlace,
      (.rowsOutsideTheTransaction, _) where !owner.tables.isEmpty && entry.isPlace:
      later.append(entry)
    case (.outboxRowIsLost, .emit) where dice: return
    case (.emitIsDoubled, .emit(var event)) where dice:
      try inner.write(entry)
      event.id += Array("-again".utf8)
      try inner.write(.emit(event))
    case (.parkedKeyIsForgotten, .parked) where dice: return
    case (.heldEventIsForgotten, .held) where dice: return
    case (.stateIsForgotten, .state) where dice: return
    case (.deadLetterIsLost, .dead): return
    case (.countIsLost, .count) where dice: return
    case (.revivedLetterStays, .revived): return
    case (.checkpointIsOneAhead, .checkpoint(let places, let position)) where dice:
      try inner.write(.checkpoint(places, position.next))
    default: try inner.write(entry)
    }
  }

  func savepoint() throws(StoreError) {
    mark = later.count
    try inner.savepoint()
  }
  func rollbackToSavepoint() throws(StoreError) {
    if [.checkpointBeforeEffects, .decisionIsCarriedOutInTwo].contains(owner.bug) {
      later.removeSubrange(mark...)
    }
    if owner.bug != .savepointIsNotRolledBack { try inner.rollbackToSavepoint() }
  }

  /// In two transactions where the mistake is that.
  func commit() throws(StoreError) {
    switch owner.bug {
    case .checkpointBeforeEffects where !later.isEmpty:
      try inner.rollback()
      for isFirst in [true, false] {
        inner = try owner.store.begin(folding: false)
        for entry in later where entry.isPlace == isFirst { try inner.write(entry) }
        try inner.commit()
      }
    case .decisionIsCarriedOutInTwo where later.contains(where: \.isRevival):
      try inner.rollback()
      // Now and then the second one does not come to pass, as after a kill between the two.
      for isFirst in [true, false] where isFirst || !owner.numbers.chance(0.3) {
        inner = try owner.store.begin(folding: false)
        for entry in later where entry.isRevival == isFirst { try inner.write(entry) }
        try inner.commit()
      }
    case .effectsBeforeCheckpoint where !later.isEmpty, .rowsOutsideTheTransaction where !later.isEmpty:
      try inner.commit()
      inner = try owner.store.begin(folding: false)
      for entry in later { try inner.write(entry) }
      try inner.commit()
    default: try inner.commit()
    }
    hasEnded = true
  }

  func rollback() throws(StoreError) { if !hasEnded { try inner.rollback() } }
}

extension EffectEntry {
  fileprivate var isRevival: Bool {
    if case .revived = self { true } else { false }
  }

  /// Whether it says how far the handler came.
  fileprivate var isPlace: Bool {
    switch self {
    case .checkpoint, .count: true
    default: false
    }
  }
}
