@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct ConformanceTests {
  @Test func `a projection's store does what the seam says`() throws {
    let scratch = try Scratch()
    let path = try makeStore(scratch, "create table t(k text primary key)").path
    try EffectStoreConformance { try ProjectionStore.open(path: path) }.all()
    #expect(try ProjectionStore.open(path: path).ledger().degradedSince == Position(4))
  }

  @Test func `a consumer's store does what the seam says`() throws {
    let scratch = try Scratch()
    let identity = StoreIdentity(handler: "c", kind: .consumer, scriptVersion: "v1")
    try EffectStoreConformance {
      try ConsumerFile(path: scratch.file("c.sqlite"), identity: identity).store()
    }.all()
  }

  @Test func `a dead letter of a projection comes back whole, and beside the writer`() throws {
    let store = try makeStore(Scratch(), "create table t(k text primary key)")
    let tx = try store.begin(folding: true)
    try tx.write(.dead(ConsumerStoreTests.letter(12)))
    try tx.commit()
    #expect(try store.deadLetters() == [ConsumerStoreTests.letter(12)])
  }

  @Test func `a reader sees a store beside its writer`() throws {
    let scratch = try Scratch()
    let store = try makeStore(
      scratch, "create table t(k text primary key); create view v as select k from t;")
    let reader = try StoreReader(path: store.path)
    let tx = try store.begin(folding: false)
    try tx.write(.count(applied: 5, skipped: 0))
    #expect(try reader.ledger().applied == 0)
    try tx.commit()
    #expect(try reader.ledger().applied == 5)
    #expect(try reader.tables() == store.tables)
    #expect(try reader.views() == ["v"])
    #expect(reader.identity == store.identity)
  }
}
