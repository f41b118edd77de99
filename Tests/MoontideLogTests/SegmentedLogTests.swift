import Foundation
import MoontideCore
import MoontideLog
import Testing

struct SegmentedLogTests {
  @Test func `the log does what every log does`() throws {
    try EventLogConformance { try LogFixture().open() }.runAll()
  }

  @Test func `it does so in files of the system with tiny segments and runs`() throws {
    let root = FileManager.default.temporaryDirectory.appending(path: "moontide-log-\(UUID())").path
    defer {
      do { try FileManager.default.removeItem(atPath: root) } catch { Issue.record("\(error)") }
    }
    try EventLogConformance {
      try SegmentedLog(
        directory: "\(root)/\(UUID())/log", files: PosixFileSystem(), clock: SystemClock(),
        randomness: SystemRandomness(),
        options: LogOptions(
          segmentBytesMax: 4096, indexSealEntries: 16, markBytes: 512, offsetMarkInterval: 4))
    }.runAll()
  }

  @Test func `a log that was closed opens without reading it again`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: nil).id
    for round in 0..<50 { try log.put(DraftBatch(topic, ids: round * 10..<round * 10 + 10)) }
    try log.put(DraftBatch(), progress: (ProducerID("p"), 0..<7))
    try log.close()
    #expect(throws: LogError.readOnly(reason: "the log is closed")) {
      try log.append(AppendRequest(batch: DraftBatch(topic, ids: 0..<1)))
    }
    let again = try fixture.open()
    #expect(again.recovery == LogRecovery())
    #expect(again.topics() == log.topics())
    #expect(again.sequenceEnd(of: ProducerID("p")) == 7)
    #expect(again.durableEnd == Position(500))
    #expect(try again.allIDs() == (0..<500).map { "e\($0)" })
    #expect(try again.put(DraftBatch(topic, ids: 490..<510)).repeats == 10)
    #expect(try again.put(DraftBatch(topic, ids: 0..<10)).repeats == 10)
  }

  @Test func `a log that was not closed opens with everything`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: nil).id
    for round in 0..<50 {
      try log.put(
        DraftBatch(topic, ids: round * 10..<round * 10 + 10),
        progress: (ProducerID("p"), UInt64(round)..<UInt64(round) + 1))
    }
    try log.flush()
    let again = try LogFixture(files: fixture.files.copy()).open()
    #expect(again.recovery.bytesDropped == 0)
    #expect(again.durableEnd == Position(500))
    #expect(again.topics() == log.topics())
    #expect(again.sequenceEnd(of: ProducerID("p")) == 50)
    #expect(try again.put(DraftBatch(topic, ids: 0..<500)).repeats == 500)
  }

  @Test func `repeats are found far behind, over sealed and merged runs and a restart`() throws {
    let fixture = LogFixture()
    var log = try fixture.open()
    let topic = try log.topic(.events, partitions: nil).id
    for round in 0..<200 {
      try log.put(DraftBatch(topic, ids: round * 10..<round * 10 + 10))
      if round % 3 == 0 { while log.maintainer.step() == .progressed {} }
      if round == 120 {
        try log.close()
        log = try fixture.open()
      }
    }
    while log.maintainer.step() == .progressed {}
    let runs = fixture.files.paths.filter { $0.hasSuffix(".ids") }.count
    #expect((1..<10).contains(runs), "\(runs) runs")
    for id in stride(from: 0, to: 2000, by: 37) {
      #expect(try log.put(DraftBatch(topic, ids: id..<id + 1)).repeats == 1, "e\(id)")
      let other = DraftBatch(topic, [Sample(id: "e\(id)", data: #"{"other":true}"#)])
      guard case .conflicts(let conflicts) = try log.append(AppendRequest(batch: other)) else {
        Issue.record("e\(id) with another body was taken")
        continue
      }
      #expect(conflicts == [.init(index: 0, position: Position(UInt64(id)))])
    }
    let batch = RecordBatch()
    try log.flush()
    let count = try log.read(topic: topic, key: Array("k5".utf8), from: 0, records: 5000, into: batch)
    #expect(count == 285)
    let fives: [UInt64] = (0..<UInt64(2000)).filter { $0 % 7 == 5 }
    #expect(batch.records.map(\.position.value) == fives)
  }

  @Test func `recorded time never goes back`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: nil).id
    let noon = EventTime("2024-05-01T12:00:00Z")!
    fixture.clock.now = noon
    try log.put(DraftBatch(topic, ids: 0..<1))
    fixture.clock.now = EventTime("2024-05-01T11:00:00Z")!
    try log.put(DraftBatch(topic, ids: 1..<2))
    try log.flush()
    let batch = RecordBatch()
    _ = try log.read(from: .start, records: 9, bytes: 9999, into: batch)
    #expect(batch.records.map(\.recordedMicroseconds) == [noon.microseconds, noon.microseconds])
  }

  @Test func `a batch that is too large is refused`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: nil).id
    let big = String(repeating: "x", count: 3 << 20)
    #expect {
      try log.append(
        AppendRequest(batch: DraftBatch(topic, ["a", "b", "c"].map { Sample(id: $0, data: big) })))
    } throws: { error in
      guard case LogError.tooLarge(what: "batch", _, limit: Limits.batchBytesMax) = error else {
        return false
      }
      return true
    }
    #expect(throws: LogError.tooLarge(what: "id", bytes: 1025, limit: 1024)) {
      try log.append(
        AppendRequest(batch: DraftBatch(topic, [Sample(id: String(repeating: "i", count: 1025))])))
    }
    #expect(
      try log.put(DraftBatch(topic, [Sample(id: "a", data: big), Sample(id: "b", data: big)])).count == 2)
    try log.flush()
    #expect(try log.allIDs(bytes: 1000) == ["a", "b"])
  }

  @Test func `segments roll and everything stays readable`() throws {
    let fixture = LogFixture(
      options: LogOptions(segmentBytesMax: 2000, indexSealEntries: 64, markBytes: 300, offsetMarkInterval: 4))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: nil).id
    for id in 0..<200 { try log.put(DraftBatch(topic, ids: id..<id + 1)) }
    try log.flush()
    #expect(fixture.files.paths.filter { $0.hasSuffix(".log") }.count > 10)
    #expect(try log.allIDs(records: 7) == (0..<200).map { "e\($0)" })
    let again = try LogFixture(files: fixture.files.copy(), options: fixture.options).open()
    #expect(try again.allIDs() == (0..<200).map { "e\($0)" })
    let batch = RecordBatch()
    for start in 0..<200 {
      let next = try again.read(from: Position(UInt64(start)), records: 1, bytes: 1, into: batch)
      #expect(next == Position(UInt64(start) + 1))
      #expect(batch.bytes.text(batch.records[0].envelope.id) == "e\(start)")
    }
  }
}
