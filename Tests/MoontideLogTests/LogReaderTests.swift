import Foundation
import MoontideCore
import MoontideLog
import Testing

struct LogReaderTests {
  private func written() throws -> (LogFixture, SegmentedLog, TopicID) {
    let fixture = LogFixture(
      options: LogOptions(segmentBytesMax: 6000, indexSealEntries: 64, markBytes: 500, offsetMarkInterval: 4))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<30 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    try log.flush()
    return (fixture, log, topic)
  }

  @Test func `a reader beside the writer sees what the log has, and changes nothing`() throws {
    let (fixture, log, topic) = try written()
    let before = fixture.files.copy()
    let reader = try LogReader(directory: "log", files: fixture.files)
    #expect(reader.durableEnd == log.durableEnd)
    #expect(reader.mark == log.mark)
    #expect(reader.topics() == log.topics())
    #expect(try reader.allIDs(records: 7) == log.allIDs())
    let (one, other) = (RecordBatch(), RecordBatch())
    for version in [0, 3] {
      let next = try reader.read(topic: topic, key: Array("k1".utf8), from: version, records: 5, into: one)
      #expect(
        try log.read(topic: topic, key: Array("k1".utf8), from: version, records: 5, into: other) == next)
      #expect(one.records.map(\.position) == other.records.map(\.position))
      #expect(
        one.records.map { one.bytes.text($0.envelope.id) }
          == other.records.map { other.bytes.text($0.envelope.id) })
      let first = try reader.read(
        topic: topic, key: Array("k1".utf8), from: version, records: 5, bytes: 1, into: one)
      #expect(first == version + 1)
      #expect(one.records.map(\.position) == [other.records[0].position])
    }
    let place = LogPlace.identity(topic: topic, source: [], id: Array("e77".utf8))
    #expect(try reader.position(of: place) == log.position(of: place))
    #expect(throws: LogError.self) { try reader.append(AppendRequest(batch: DraftBatch(topic, ids: 0..<1))) }
    #expect(fixture.files.paths == before.paths)
    for path in before.paths { #expect(fixture.files.bytes(path) == before.bytes(path)) }
  }

  @Test func `a reader of a part shows nothing behind it`() throws {
    let (fixture, _, _) = try written()
    let reader = try LogReader(directory: "log", files: fixture.files, before: Position(42))
    #expect(reader.durableEnd == Position(42))
    #expect(try reader.allIDs() == (0..<42).map { "e\($0)" })
  }

  @Test func `half a batch at the end is left out, and its bytes are counted`() throws {
    let (fixture, log, _) = try written()
    let path = fixture.lastSegment
    let whole = fixture.files.bytes(path)
    fixture.files.setBytes(path, whole + whole[64..<100])
    let reader = try LogReader(directory: "log", files: fixture.files)
    #expect(reader.tornTailBytes == 36)
    #expect(reader.durableEnd == log.durableEnd)
    #expect(reader.files().last?.bytes == UInt64(whole.count))
    #expect(reader.files().map(\.name).allSatisfy { fixture.files.paths.contains("log/" + $0) })
  }

  @Test func `clocks that jump move neither positions nor recorded times back`() throws {
    let fixture = LogFixture()
    var log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    let jumps = [
      "2024-05-01T10:00:00Z", "2031-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2024-05-01T10:00:01Z",
    ]
    for (round, jump) in jumps.enumerated() {
      fixture.clock.now = EventTime(jump)!
      try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5))
      try log.flush()
      if round == 1 { log = try fixture.open() }
    }
    let batch = RecordBatch()
    _ = try log.read(from: .start, records: 100, bytes: 1 << 20, into: batch)
    #expect(batch.records.map(\.position.value) == Array(0..<20))
    let recorded = batch.records.map(\.recordedMicroseconds)
    #expect(recorded == recorded.sorted())
    #expect(
      recorded.last == EventTime(jumps[1])!.microseconds, "time stands still until the clock has come again")
    #expect(try LogVerifier(directory: "log", files: fixture.files).verify().isSound)
  }
}
