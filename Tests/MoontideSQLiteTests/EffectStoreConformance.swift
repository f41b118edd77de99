import MoontideCore
import Testing

/// What every `EffectStore` must do, whatever keeps it. A backend's tests call each function with a way to
/// make a store and to open it again.
struct EffectStoreConformance {
  /// Gives the same store's contents again, as after a restart.
  let reopen: () throws -> any EffectStore

  private static let places = [
    TopicPartition(topic: .events, partition: 0), TopicPartition(topic: TopicName("orders")!, partition: 7),
  ]

  /// Checkpoints, counts and dead letters come back as they were written, and only when they were committed.
  func bookkeeping() throws {
    let letter = ConsumerStoreTests.letter(4)
    do {
      let store = try reopen()
      let lost = try store.begin(folding: false)
      try lost.write(.checkpoint(Self.places, Position(99)))
      try lost.write(.dead(ConsumerStoreTests.letter(1)))
      try lost.write(.count(applied: 9, skipped: 9))
      try lost.rollback()
      for round in 1...2 {
        let tx = try store.begin(folding: true)
        try tx.write(.checkpoint(Self.places, Position(UInt64(round * 10))))
        try tx.write(.count(applied: 2, skipped: 1))
        try tx.commit()
      }
      let tx = try store.begin(folding: false)
      try tx.write(.checkpoint([Self.places[1]], Position(30)))
      try tx.write(.dead(letter))
      try tx.commit()
    }
    let ledger = try reopen().ledger()
    #expect(ledger.checkpoints == [Self.places[0]: Position(20), Self.places[1]: Position(30)])
    #expect(ledger.applied == 4)
    #expect(ledger.skipped == 2)
    #expect(ledger.deadLetters == 1)
    #expect(ledger.nextOutbox == 0)
  }

  /// A savepoint moves, and what came after it goes when it is gone back to.
  func savepoints() throws {
    let store = try reopen()
    let before = try store.ledger().applied
    for folding in [false, true] {
      let tx = try store.begin(folding: folding)
      try tx.savepoint()
      try tx.write(.count(applied: 1, skipped: 0))
      try tx.savepoint()
      try tx.write(.count(applied: 100, skipped: 0))
      try tx.rollbackToSavepoint()
      try tx.write(.count(applied: 10, skipped: 0))
      try tx.rollbackToSavepoint()
      try tx.write(.count(applied: 20, skipped: 0))
      try tx.commit()
    }
    #expect(try store.ledger().applied == before + 42)
  }

  /// An empty transaction and a transaction after a failed call are both ended as usual.
  func endings() throws {
    let store = try reopen()
    try store.begin(folding: false).commit()
    try store.begin(folding: true).rollback()
    let tx = try store.begin(folding: false)
    #expect(throws: StoreError.self) {
      _ = try tx.sql("this is not SQL", arguments: RowBuffer(), result: RowBuffer())
    }
    try tx.write(.count(applied: 1, skipped: 0))
    let before = try reopen().ledger().applied
    try tx.commit()
    #expect(try reopen().ledger().applied == before + 1)
  }

  func all() throws {
    try bookkeeping()
    try savepoints()
    try endings()
  }
}
