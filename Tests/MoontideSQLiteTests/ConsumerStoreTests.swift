@testable import MoontideSQLite
import Foundation
import MoontideCore
import Synchronization
import Testing

@Suite struct ConsumerStoreTests {
  let scratch: Scratch
  let file: ConsumerFile
  static let topic = TopicName("orders")!

  init() throws {
    scratch = try Scratch()
    file = try ConsumerFile(
      path: scratch.file("c.sqlite"),
      identity: StoreIdentity(handler: "c", kind: .consumer, scriptVersion: "v1"))
  }

  static func emitted(_ id: String, cause: UInt64 = 1) -> OutboxEvent {
    OutboxEvent(
      topic: topic, id: Array(id.utf8), source: Array("c".utf8), type: Array("Made".utf8), version: 2,
      key: [7],
      time: Array("2026-01-01T00:00:00Z".utf8), data: Array("{}".utf8), meta: [], cause: Position(cause))
  }

  static func letter(_ position: UInt64) -> DeadLetter {
    DeadLetter(
      position: Position(position), topic: topic, partition: 1, offset: Offset(3), key: [1, 0, 255],
      eventID: [9],
      eventType: "Made", eventVersion: 2, eventTime: "t", code: "E0301", message: "m", file: "f.lua", line: 4,
      attempts: 5, scriptVersion: "v1")
  }

  @Test func `state is read as it was written in the same transaction, and after it`() throws {
    let store = try file.store()
    let tx = try store.begin(folding: false)
    #expect(try tx.state(topic: Self.topic, key: [1]) == nil)
    try tx.write(.state(topic: Self.topic, key: [1], value: [5]))
    try tx.savepoint()
    try tx.write(.state(topic: Self.topic, key: [1], value: nil))
    #expect(try tx.state(topic: Self.topic, key: [1]) == nil)
    try tx.rollbackToSavepoint()
    #expect(try tx.state(topic: Self.topic, key: [1]) == [5])
    try tx.commit()
    let other = try file.store().begin(folding: false)
    #expect(try other.state(topic: Self.topic, key: [1]) == [5])
    try other.rollback()
  }

  @Test func `the outbox is dense, rising and shortened by what is relayed`() throws {
    let store = try file.store()
    for round in 0..<3 {
      let tx = try store.begin(folding: false)
      for index in 0..<4 { try tx.write(.emit(Self.emitted("\(round)-\(index)"))) }
      if round == 1 { try tx.rollback() } else { try tx.commit() }
    }
    #expect(try store.outbox(from: 0, limit: 100).map { $0.sequence } == Array(0..<8))
    #expect(try store.outbox(from: 6, limit: 1).map { $0.id } == [Array("2-2".utf8)])
    let tx = try store.begin(folding: false)
    try tx.write(.relayed(below: 7))
    try tx.commit()
    #expect(try store.outbox(from: 0, limit: 100).map { $0.sequence } == [7])
    #expect(try store.ledger().nextOutbox == 8)
    var expected = Self.emitted("2-3")
    expected.sequence = 7
    #expect(try store.outbox(from: 0, limit: 1) == [expected])
  }

  @Test func `a parked key, what it holds and its dead letter go together`() throws {
    let store = try file.store()
    func commit(_ entries: EffectEntry...) throws -> HandlerLedger {
      let tx = try store.begin(folding: false)
      for entry in entries { try tx.write(entry) }
      try tx.commit()
      return try store.ledger()
    }
    var key = ParkedKey(
      topic: Self.topic, key: [1], position: Position(10), status: .retrying, attempts: 1, dueMicroseconds: 99
    )
    var ledger = try commit(
      .parked(key), .held(topic: Self.topic, key: [1], position: Position(14)),
      .held(topic: Self.topic, key: [1], position: Position(12)))
    key.held = [Position(12), Position(14)]
    #expect(ledger.parked == [key])
    key.status = .dead
    ledger = try commit(.parked(key), .dead(Self.letter(10)), .dead(Self.letter(11)))
    #expect(ledger.deadLetters == 2)
    #expect(ledger.degradedSince == nil)
    #expect(try store.deadLetters().first == Self.letter(10))
    ledger = try commit(.released(topic: Self.topic, key: [1], position: Position(12)))
    #expect(ledger.parked.first?.held == [Position(14)])
    ledger = try commit(.unparked(topic: Self.topic, key: [1]), .count(applied: 3, skipped: 1))
    #expect(ledger.parked.isEmpty)
    #expect(ledger.deadLetters == 1, "the letter of another key stays")
    #expect(ledger.applied == 3 && ledger.skipped == 1)
  }

  @Test func `lanes write side by side and lose nothing`() throws {
    let lanes = 4
    let commits = 50
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: lanes) { [file] lane in
      do {
        let store = try file.store()
        for index in 0..<commits {
          let tx = try store.begin(folding: false)
          try tx.write(.emit(Self.emitted("\(lane)-\(index)")))
          let place = TopicPartition(topic: Self.topic, partition: UInt16(lane))
          try tx.write(.checkpoint([place], Position(UInt64(index + 1))))
          try tx.write(.count(applied: 1, skipped: 0))
          try tx.commit()
        }
      } catch { failures.withLock { $0.append("\(error)") } }
    }
    #expect(failures.withLock { $0 } == [])
    let reader = try StoreReader(path: file.path)
    let ledger = try reader.ledger()
    #expect(ledger.applied == UInt64(lanes * commits))
    #expect(ledger.nextOutbox == UInt64(lanes * commits))
    #expect(ledger.checkpoints.count == lanes)
    #expect(ledger.checkpoints.values.allSatisfy { $0 == Position(UInt64(commits)) })
    #expect(try reader.outboxCount() == lanes * commits)
  }

  @Test func `a file that is opened again keeps what it had and takes the new script's version`() throws {
    let tx = try file.store().begin(folding: false)
    try tx.write(.dead(Self.letter(4)))
    try tx.commit()
    let again = try ConsumerFile(
      path: file.path, identity: StoreIdentity(handler: "c", kind: .consumer, scriptVersion: "v2"))
    #expect(again.identity.scriptVersion == "v2")
    #expect(try again.store().deadLetters() == [Self.letter(4)])
    #expect(try StoreReader(path: file.path).identity.scriptVersion == "v2")
  }
}
