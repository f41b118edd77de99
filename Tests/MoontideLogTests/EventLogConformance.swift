import Foundation
import MoontideCore
import Testing

/// What every `EventLog` must do. A backend's tests call `runAll` with a maker of empty logs.
struct EventLogConformance {
  let make: () throws -> any EventLog

  func runAll() throws {
    try anEmptyLogHasNothing()
    try appendedEventsComeBack()
    try nothingIsReadBeforeTheFlush()
    try offsetsAreDensePerPartition()
    try aRepeatIsDropped()
    try aConflictWritesNothing()
    try identitiesIncludeTopicAndSource()
    try progressIsExact()
    try aConditionIsKept()
    try oneKeyIsReadAlone()
    try placesAreFound()
    try topicsKeepTheirPartitions()
    try waitingEndsWithTheFlush()
  }

  func anEmptyLogHasNothing() throws {
    let log = try make()
    let batch = RecordBatch()
    #expect(log.durableEnd == .start)
    #expect(try log.read(from: .start, records: 10, bytes: 1000, into: batch) == .start)
    #expect(batch.records.isEmpty)
    #expect(batch.bytes.count >= Limits.parserPaddingBytes)
    #expect(try log.position(of: .recorded(EventTime(microseconds: 0))) == nil)
    #expect(log.sequenceEnd(of: ProducerID("nobody")) == nil)
  }

  func appendedEventsComeBack() throws {
    let log = try make()
    let topic = try log.topic(TopicName("orders")!, partitions: 4)
    let drafts = DraftBatch(
      topic.id,
      [
        Sample(id: "a", key: "k1", data: #"{"x": 1}"#, source: "s", time: "2019-05-20T07:07:47.5+02:00"),
        Sample(id: "b", key: "k2", data: "{}"),
      ])
    let written = try log.put(drafts)
    #expect(written.first == .start)
    #expect(written.count == 2)
    #expect(written.durableWhen == Position(2))
    #expect(try log.flush() == Position(2))
    let batch = RecordBatch()
    #expect(try log.read(from: .start, records: 10, bytes: 1 << 16, into: batch) == Position(2))
    try #require(batch.records.count == 2)
    let (first, second) = (batch.records[0], batch.records[1])
    #expect(batch.bytes.text(first.envelope.id) == "a")
    #expect(batch.bytes.text(first.envelope.source) == "s")
    #expect(batch.bytes.text(first.envelope.type) == "order.paid")
    #expect(batch.bytes.text(first.envelope.key) == "k1")
    #expect(batch.bytes.text(first.envelope.time) == "2019-05-20T07:07:47.5+02:00")
    #expect(batch.bytes.text(first.envelope.data) == #"{"x": 1}"#)
    #expect(first.envelope.given == [.key, .time])
    #expect(first.envelope.timeMicroseconds == EventTime("2019-05-20T05:07:47.5Z")!.microseconds)
    let recorded = EventTime(microseconds: second.recordedMicroseconds)
    #expect(batch.bytes.text(second.envelope.time) == recorded.description)
    #expect(second.envelope.timeMicroseconds == recorded.microseconds)
    #expect(second.envelope.given == [.key])
    let end = batch.records.map { $0.envelope.data.end }.max()!
    #expect(batch.bytes.count >= end + Limits.parserPaddingBytes)
  }

  func nothingIsReadBeforeTheFlush() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    try log.put(DraftBatch(topic, ids: 0..<5))
    #expect(log.durableEnd == .start)
    #expect(try log.allIDs().isEmpty)
    try log.flush()
    try log.put(DraftBatch(topic, ids: 5..<9))
    #expect(try log.allIDs().count == 5)
    try log.flush()
    #expect(try log.allIDs() == (0..<9).map { "e\($0)" })
    #expect(try log.allIDs(records: 1) == (0..<9).map { "e\($0)" })
    #expect(try log.allIDs(records: 4, bytes: 1) == (0..<9).map { "e\($0)" })
  }

  func offsetsAreDensePerPartition() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: 3)
    for round in 0..<20 { try log.put(DraftBatch(topic.id, ids: round * 10..<round * 10 + 10)) }
    try log.flush()
    let batch = RecordBatch()
    _ = try log.read(from: .start, records: 1000, bytes: 1 << 20, into: batch)
    var next: [UInt64] = [0, 0, 0]
    for record in batch.records {
      let key = Array(batch.bytes[record.envelope.key.indices])
      let part = ByteRange(start: 0, count: key.count)
      #expect(record.partition == Partitioner.partition(key, part, of: 3))
      #expect(record.offset.value == next[Int(record.partition)])
      next[Int(record.partition)] += 1
    }
    #expect(log.topics().first { $0.id == topic.id }?.nextOffsets.map(\.value) == next)
    #expect(next.reduce(0, +) == 200)
  }

  func aRepeatIsDropped() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    try log.put(DraftBatch(topic, ids: 0..<10))
    let again = try log.put(DraftBatch(topic, ids: 5..<15))
    #expect(again.repeats == 5)
    #expect(again.count == 5)
    #expect(again.first == Position(10))
    #expect(again.durableWhen == Position(15))
    let within = try log.put(DraftBatch(topic, [Sample(id: "x"), Sample(id: "y"), Sample(id: "x")]))
    #expect(within.repeats == 1)
    #expect(within.count == 2)
    let only = try log.put(DraftBatch(topic, ids: 0..<3))
    #expect(only.repeats == 3)
    #expect(only.count == 0)
    #expect(only.durableWhen >= Position(3))
    try log.flush()
    #expect(try log.allIDs() == (0..<15).map { "e\($0)" } + ["x", "y"])
  }

  func aConflictWritesNothing() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    try log.put(DraftBatch(topic, [Sample(id: "a"), Sample(id: "b")]))
    let other = DraftBatch(
      topic,
      [
        Sample(id: "c"), Sample(id: "b", data: #"{"n":2}"#), Sample(id: "d"), Sample(id: "d", key: "other"),
      ])
    guard case .conflicts(let conflicts) = try log.append(AppendRequest(batch: other)) else {
      Issue.record("a conflict was not seen")
      return
    }
    #expect(conflicts == [.init(index: 1, position: Position(1)), .init(index: 3, position: nil)])
    try log.flush()
    #expect(try log.allIDs() == ["a", "b"])
    try log.put(DraftBatch(topic, [Sample(id: "c")]))
    try log.flush()
    #expect(try log.allIDs() == ["a", "b", "c"])
  }

  func identitiesIncludeTopicAndSource() throws {
    let log = try make()
    let first = try log.topic(.events, partitions: nil).id
    let second = try log.topic(TopicName("other")!, partitions: 1).id
    try log.put(DraftBatch(first, [Sample(id: "a")]))
    #expect(try log.put(DraftBatch(second, [Sample(id: "a", data: "{}")])).count == 1)
    #expect(try log.put(DraftBatch(first, [Sample(id: "a", data: "{}", source: "s")])).count == 1)
    #expect(try log.put(DraftBatch(first, [Sample(id: "", data: "{}", source: "sa")])).count == 1)
  }

  func progressIsExact() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    let producer = ProducerID("file-1")
    try log.put(DraftBatch(topic, ids: 0..<3), progress: (producer, 100..<200))
    #expect(log.sequenceEnd(of: producer) == 200)
    let again = AppendRequest(batch: DraftBatch(topic, ids: 0..<3), progress: (producer, 100..<200))
    guard case .alreadyWritten(let end) = try log.append(again) else {
      Issue.record("written twice")
      return
    }
    #expect(end >= Position(3))
    #expect(throws: LogError.sequenceGap(producer: producer, expected: 200, got: 201)) {
      try log.append(AppendRequest(batch: DraftBatch(topic, ids: 9..<10), progress: (producer, 201..<300)))
    }
    // Nothing but repeats still says how far the producer has come.
    #expect(try log.put(DraftBatch(topic, ids: 0..<3), progress: (producer, 200..<250)).count == 0)
    #expect(log.sequenceEnd(of: producer) == 250)
    try log.put(DraftBatch(), progress: (producer, 250..<260))
    #expect(log.sequenceEnd(of: producer) == 260)
    try log.flush()
    #expect(try log.allIDs() == ["e0", "e1", "e2"])
  }

  func aConditionIsKept() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    let key = Array("stream".utf8)
    func decide(_ id: String, _ version: Int) throws -> AppendOutcome {
      try log.append(
        AppendRequest(
          batch: DraftBatch(topic, [Sample(id: id, key: "stream")]), expected: (topic, key, version)))
    }
    guard case .written = try decide("a", 0), case .written = try decide("b", 1),
      case .unexpectedVersion(actual: 2) = try decide("c", 1), case .written = try decide("c", 2)
    else {
      Issue.record("a condition was not kept")
      return
    }
    try log.flush()
    #expect(try log.allIDs() == ["a", "b", "c"])
  }

  func oneKeyIsReadAlone() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    for round in 0..<30 { try log.put(DraftBatch(topic, ids: round * 10..<round * 10 + 10)) }
    try log.flush()
    let expected = (0..<300).filter { $0 % 7 == 3 }.map { "e\($0)" }
    let batch = RecordBatch()
    var ids: [String] = []
    var version = 0
    while true {
      let next = try log.read(topic: topic, key: Array("k3".utf8), from: version, records: 5, into: batch)
      for record in batch.records {
        ids.append(batch.bytes.text(record.envelope.id))
        #expect(batch.bytes.text(record.envelope.key) == "k3")
        #expect("e\(record.position.value)" == ids.last)
      }
      if next == version { break }
      version = next
    }
    #expect(ids == expected)
    #expect(version == expected.count)
    // Bytes bound a read as records do, but for its first record.
    var single: [String] = []
    while single.count < expected.count {
      let next = try log.read(
        topic: topic, key: Array("k3".utf8), from: single.count, records: 5, bytes: 1, into: batch)
      try #require(batch.records.count == 1 && next == single.count + 1)
      single.append(batch.bytes.text(batch.records[0].envelope.id))
    }
    #expect(single == expected)
    #expect(try log.read(topic: topic, key: Array("no".utf8), from: 0, records: 5, into: batch) == 0)
    #expect(batch.records.isEmpty)
  }

  func placesAreFound() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: 2).id
    for round in 0..<30 { try log.put(DraftBatch(topic, ids: round * 10..<round * 10 + 10)) }
    try log.flush()
    #expect(
      try log.position(of: .identity(topic: topic, source: [], id: Array("e123".utf8))) == Position(123))
    #expect(try log.position(of: .identity(topic: topic, source: [], id: Array("zz".utf8))) == nil)
    let batch = RecordBatch()
    _ = try log.read(from: .start, records: 300, bytes: 1 << 20, into: batch)
    for record in batch.records {
      let place = LogPlace.offset(topic: topic, partition: record.partition, offset: record.offset)
      #expect(try log.position(of: place) == record.position)
    }
    #expect(try log.position(of: .offset(topic: topic, partition: 0, offset: Offset(300))) == nil)
    let last = batch.records.last!.recordedMicroseconds
    let firstOfLast = batch.records.first { $0.recordedMicroseconds == last }!.position
    #expect(try log.position(of: .recorded(EventTime(microseconds: last))) == firstOfLast)
    #expect(try log.position(of: .recorded(EventTime(microseconds: last + 1))) == nil)
    #expect(try log.position(of: .recorded(EventTime(microseconds: 0))) == .start)
  }

  func topicsKeepTheirPartitions() throws {
    let log = try make()
    let topic = try log.topic(TopicName("orders")!, partitions: 4)
    #expect(topic.nextOffsets == Array(repeating: Offset(0), count: 4))
    #expect(try log.topic(TopicName("orders")!, partitions: nil) == topic)
    #expect(throws: LogError.partitionCount(topic: TopicName("orders")!, has: 4, asked: 5)) {
      try log.topic(TopicName("orders")!, partitions: 5)
    }
    #expect(try log.topic(.events, partitions: nil).partitions == Limits.partitionsDefault)
    try log.put(DraftBatch(topic.id, [Sample(id: "bad line", kind: .quarantine)]))
    #expect(log.topics().map(\.name.text) == ["orders", "events", "_quarantine"])
    #expect(log.topics()[2].nextOffsets == [Offset(1)])
  }

  func waitingEndsWithTheFlush() throws {
    let log = try make()
    let topic = try log.topic(.events, partitions: nil).id
    #expect(!log.wait(past: .start, for: .zero))
    try log.put(DraftBatch(topic, ids: 0..<1))
    let thread = Thread {
      // An error would leave the waiter without its answer, which the test sees.
      do { try log.flush() } catch { Issue.record("\(error)") }
    }
    thread.start()
    #expect(log.wait(past: .start, for: .seconds(20)))
    #expect(!log.wait(past: Position(1), for: .zero))
  }
}
