import MoontideCore
import Testing

@testable import MoontideSQLite

struct LedgerTests {
  private let scratch: Scratch
  private let file: ConsumerFile

  init() throws {
    scratch = try Scratch()
    file = try ConsumerFile(
      path: scratch.file("c.sqlite"),
      identity: StoreIdentity(handler: "c", kind: .consumer, scriptVersion: "v1"))
  }

  private func effect(_ key: String, request: String = "{}") -> LedgerEffect {
    LedgerEffect(
      key: key, kind: .http, target: "http://h", request: Array(request.utf8), topic: .events,
      orderKey: [1, 0], cause: Position(7), meta: Array(#"{"topic":"events"}"#.utf8))
  }

  private func write(_ store: ConsumerStore, _ changes: LedgerChange...) throws {
    let transaction = try store.begin(folding: false)
    for change in changes { try transaction.write(.effect(change)) }
    try transaction.commit()
  }

  @Test func `a key is recorded once, whatever is asked for under it later`() throws {
    let store = try file.store()
    try write(store, .recorded(effect("a")), .recorded(effect("b")))
    try write(store, .recorded(effect("a", request: #"{"other":1}"#)), .recorded(effect("c")))
    #expect(try store.openEffects(from: 0, limit: 9).map(\.key) == ["a", "b", "c"])
    #expect(try store.openEffects(from: 0, limit: 9).map(\.sequence) == [0, 1, 2])
    var expected = effect("a")
    #expect(try store.effect(0) == expected)
    expected.request = []
    expected.meta = []
    #expect(try store.openEffects(from: 0, limit: 1) == [expected])
    #expect(try store.effectEnd() == 3)
  }

  @Test func `an effect goes from due through failed to its end and back again`() throws {
    let store = try file.store()
    try write(store, .recorded(effect("a")), .recorded(effect("b")))
    try write(store, .failed(sequence: 0, attempts: 1, dueMicroseconds: 99, error: "down"))
    var kept = try #require(try store.effect(0))
    #expect(
      kept.status == .failed && kept.attempts == 1 && kept.dueMicroseconds == 99 && kept.error == "down")
    try write(
      store,
      .ended(
        sequence: 0, status: .dead, attempts: 2, result: [123, 125], error: "gone", endedMicroseconds: 5))
    kept = try #require(try store.effect(0))
    #expect(kept.status == .dead && kept.result == [123, 125] && kept.endedMicroseconds == 5)
    #expect(try store.openEffects(from: 0, limit: 9).map(\.key) == ["b"])
    let reader = try StoreReader(path: file.path)
    #expect(try reader.effectCounts() == LedgerCounts(open: 1, done: 0, dead: 1))
    #expect(try reader.hasOpenEffects())
    try write(store, .again(sequence: 0), .again(sequence: 1))
    kept = try #require(try store.effect(0))
    #expect(kept.status == .waiting && kept.round == 2 && kept.attempts == 0 && kept.error.isEmpty)
    #expect(try store.effect(1)?.round == 1, "what is open stays as it is")
    var whole = LedgerSelection()
    whole.withRequests = true
    #expect(try reader.effects(whole).map(\.request) == [[123, 125], [123, 125]])
    #expect(try reader.effects().map(\.request) == [[], []])
    for statuses in [
      [], [EffectStatus.done], [.dead], [.waiting, .failed], [.waiting, .failed, .done, .dead],
    ] {
      let found = try reader.effects(LedgerSelection(statuses: Set(statuses)))
      #expect(found == (try reader.effects().filter { statuses.contains($0.status) }), "\(statuses)")
    }
    let keys = try reader.effects().map(\.key)
    for key in keys { #expect(try reader.effects(LedgerSelection(key: key)).map(\.key) == [key]) }
    #expect(try reader.effects(LedgerSelection(key: "none")).isEmpty)
  }

  @Test func `what is done is forgotten below a number, and numbers are never used again`() throws {
    let store = try file.store()
    for key in ["a", "b", "c", "d"] { try write(store, .recorded(effect(key))) }
    for sequence in [0, 1, 3] as [UInt64] {
      try write(
        store,
        .ended(
          sequence: sequence, status: sequence == 1 ? .dead : .done, attempts: 1, result: [], error: "",
          endedMicroseconds: 1))
    }
    try write(store, .forgotten(below: 3))
    #expect(try StoreReader(path: file.path).effects().map(\.key) == ["b", "c", "d"])
    try write(store, .recorded(effect("e")))
    #expect(try store.openEffects(from: 0, limit: 9).map(\.sequence) == [2, 4])
  }

  @Test func `what is rolled back leaves nothing, and an older file gets a ledger`() throws {
    let store = try file.store()
    let transaction = try store.begin(folding: false)
    try transaction.savepoint()
    try transaction.write(.effect(.recorded(effect("a"))))
    try transaction.rollbackToSavepoint()
    try transaction.commit()
    #expect(try store.effectEnd() == 0)
    try store.connection.script("drop table _mt_effects")
    let reader = try StoreReader(path: file.path)
    #expect(try reader.effects().isEmpty && reader.effectCounts() == LedgerCounts())
    #expect(try !reader.hasOpenEffects())
    let again = try ConsumerFile(
      path: file.path, identity: StoreIdentity(handler: "c", kind: .consumer, scriptVersion: "v1"))
    try write(try again.store(), .recorded(effect("a")))
    #expect(try reader.effectCounts().open == 1)
  }
}
