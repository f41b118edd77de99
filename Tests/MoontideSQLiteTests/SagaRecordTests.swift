import MoontideCore
import Testing

@testable import MoontideSQLite

/// What a saga's file keeps of instances that ended, and of scripts.
struct SagaRecordTests {
  private let scratch: Scratch
  private let store: ConsumerStore

  init() throws {
    scratch = try Scratch()
    store = try ConsumerFile(
      path: scratch.file("s.sqlite"),
      identity: StoreIdentity(handler: "s", kind: .saga, scriptVersion: "v1")
    ).store()
  }

  private func row(_ number: UInt64, hasEnded: Bool = true, body: String = "{}") -> SagaRow {
    SagaRow(
      key: Array("k-\(number)".utf8), status: hasEnded ? "completed" : "running", hasEnded: hasEnded,
      trace: Array("t-\(number)".utf8), began: Position(number), changed: Position(number),
      changedMicroseconds: 0, reason: "", scriptVersion: "v1", state: [1, 2, 3], body: Array(body.utf8),
      timers: [], sent: [Array("c-\(number)".utf8)])
  }

  private func state(_ number: UInt64) throws -> Int? {
    try store.saga(Array("k-\(number)".utf8))?.state.count
  }

  @Test func `of those that ended long ago the correlation value stays, unless more may come of them`() throws
  {
    var entries = (0..<20).map { EffectEntry.saga(row($0)) }
    entries[2] = .saga(row(2, hasEnded: false))
    entries[3] = .saga(row(3, body: #"{"pending":[{"id":"c-3"}]}"#))
    entries[4] = .saga(row(4, body: #"{"steps":[{"blind":true}]}"#))
    try store.commit(entries)
    try store.commit([.sagaChange(.compact(kept: 10, least: 10))])
    #expect(try state(0) == 3, "there are too few to begin")
    try store.commit([.sagaChange(.compact(kept: 10, least: 5))])
    // The nine oldest that nothing more can come of.
    for number in [0, 1, 5, 6, 7, 8, 9, 10, 11] as [UInt64] {
      let kept = try #require(try store.saga(Array("k-\(number)".utf8)))
      #expect(kept.state.isEmpty && kept.hasEnded && kept.status == "completed", "\(number)")
      #expect(try store.sagaKey(ofCommand: Array("c-\(number)".utf8)) == nil)
    }
    for number in [2, 3, 4, 12, 19] as [UInt64] {
      #expect(try state(number) == 3, "\(number)")
      #expect(try store.sagaKey(ofCommand: Array("c-\(number)".utf8)) != nil)
    }
  }

  @Test func `sources are kept by version until they are forgotten`() throws {
    let sources = [
      SagaSource(path: "handlers/s.lua", text: [1, 0, 255]),
      SagaSource(module: "lib.a", path: "lib/a.lua", text: []),
    ]
    try store.commit([
      .sagaChange(.keep(version: "v1", sources)), .sagaChange(.keep(version: "v2", [sources[0]])),
    ])
    #expect(try store.sources(ofVersion: "v1") == sources)
    try store.commit([.sagaChange(.forget(except: ["v1"]))])
    #expect(try store.sources(ofVersion: "v2").isEmpty)
    #expect(try store.sources(ofVersion: "v1") == sources)
  }
}
