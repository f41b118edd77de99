import Foundation
import MoontideCore
import MoontideLog
import Testing

struct RecoveryTests {
  /// A log of 20 flushed batches of 5 and one more that was not flushed; and where that one begins.
  private func torn() throws -> (fixture: LogFixture, lastBatchAt: Int, topic: TopicID) {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<20 {
      try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5))
      try log.flush()
    }
    let before = fixture.files.bytes(fixture.lastSegment).count
    try log.put(DraftBatch(topic, ids: 100..<105), progress: (ProducerID("p"), 0..<5))
    return (fixture, before, topic)
  }

  @Test func `a tail that was cut at any byte of the last batch is dropped, and nothing else`() throws {
    let (fixture, start, topic) = try torn()
    let whole = fixture.files.bytes(fixture.lastSegment)
    for end in start..<whole.count {
      let copy = LogFixture(files: fixture.files.copy())
      copy.files.setBytes(copy.lastSegment, Array(whole[..<end]))
      let log = try copy.open()
      #expect(log.recovery.bytesDropped == UInt64(end - start), "cut at \(end)")
      #expect(log.durableEnd == Position(100), "cut at \(end)")
      #expect(log.sequenceEnd(of: ProducerID("p")) == nil)
      #expect(copy.files.bytes(copy.lastSegment).count == start)
      if end % 50 == 0 {
        #expect(try log.allIDs() == (0..<100).map { "e\($0)" })
        #expect(try log.put(DraftBatch(topic, ids: 95..<105)).count == 5)
      }
    }
  }

  @Test func `a tail with a flipped bit is dropped whole`() throws {
    let (fixture, start, _) = try torn()
    let whole = fixture.files.bytes(fixture.lastSegment)
    for at in stride(from: start, to: whole.count, by: 3) {
      let copy = LogFixture(files: fixture.files.copy())
      var bytes = whole
      bytes[at] ^= 1 << UInt8(at % 8)
      copy.files.setBytes(copy.lastSegment, bytes)
      let log = try copy.open()
      #expect(log.recovery.bytesDropped == UInt64(whole.count - start), "flipped at \(at)")
      #expect(log.durableEnd == Position(100), "flipped at \(at)")
    }
  }

  @Test func `garbage behind the last batch is dropped`() throws {
    let (fixture, _, _) = try torn()
    let whole = fixture.files.bytes(fixture.lastSegment)
    fixture.files.setBytes(fixture.lastSegment, whole + Array(repeating: 0x9d, count: 777))
    let log = try fixture.open()
    #expect(log.recovery.bytesDropped == 777)
    #expect(log.recovery.droppedFrom == fixture.lastSegment)
    #expect(log.durableEnd == Position(105))
  }

  @Test func `damage before the durable end is an error that names file and byte`() throws {
    let (fixture, start, _) = try torn()
    let whole = fixture.files.bytes(fixture.lastSegment)
    for at in stride(from: 64, to: start - 700, by: 11) {
      let copy = LogFixture(files: fixture.files.copy())
      var bytes = whole
      bytes[at] ^= 0x10
      copy.files.setBytes(copy.lastSegment, bytes)
      #expect("flipped at \(at)") { try copy.open() } throws: { error in
        guard case LogError.damaged(file: copy.lastSegment, let byte, _) = error else { return false }
        // The record or the header around the byte.
        return Int(byte) <= at && at - Int(byte) < 300
      }
    }
  }

  @Test func `a damaged record under a checkpoint is an error when it is read, and only then`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<20 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    try log.close()
    var bytes = fixture.files.bytes(fixture.lastSegment)
    let at = bytes.count / 2
    bytes[at] ^= 1
    fixture.files.setBytes(fixture.lastSegment, bytes)
    let again = try fixture.open()
    #expect(again.durableEnd == Position(100))
    let batch = RecordBatch()
    #expect(try again.read(from: .start, records: 5, bytes: 100, into: batch) == Position(5))
    #expect {
      try again.read(from: .start, records: 100, bytes: 1 << 20, into: batch)
    } throws: { error in
      guard case LogError.damaged(file: fixture.lastSegment, let byte, _) = error else { return false }
      return Int(byte) <= at && at - Int(byte) < 300
    }
    #expect(try again.read(from: Position(90), records: 100, bytes: 1 << 20, into: batch) == Position(100))
  }

  @Test func `indexes that are missing or damaged are rebuilt`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<100 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    try log.close()
    let derived = fixture.files.paths.filter { !$0.hasSuffix(".log") }
    #expect(derived.count >= 3)
    for path in derived {
      let whole = fixture.files.bytes(path)
      // Gone, cut, and with a flipped bit: in its head and, of a run, in its filter.
      for damage in 0..<4 {
        let copy = LogFixture(files: fixture.files.copy())
        switch damage {
        case 0: try copy.files.remove(path)
        case 1: copy.files.setBytes(path, Array(whole.dropLast(9)))
        default:
          var bytes = whole
          bytes[damage == 2 ? 20 : whole.count - 5] ^= 4
          copy.files.setBytes(path, bytes)
        }
        let again = try copy.open()
        #expect(again.recovery.indexesRebuilt, "\(path), damage \(damage)")
        #expect(again.topics() == log.topics())
        #expect(try again.put(DraftBatch(topic, ids: 0..<500)).repeats == 500)
        let batch = RecordBatch()
        #expect(try again.read(topic: topic, key: Array("k1".utf8), from: 0, records: 999, into: batch) == 72)
      }
    }
  }

  @Test func `a sound run that is not the one the checkpoint names is rebuilt`() throws {
    let begun = LogFixture()
    let topic = try begun.open().topic(.events, partitions: 3).id
    // Two futures of one log, whose runs have the same names and as many entries.
    let futures = try [0..<100, 100..<200].map { ids in
      let future = LogFixture(files: begun.files.copy())
      let log = try future.open()
      try log.put(DraftBatch(topic, ids: ids))
      try log.close()
      return future
    }
    let ids = try #require(futures[0].files.paths.first { $0.hasSuffix(".ids") })
    let keys = try #require(futures[0].files.paths.first { $0.hasSuffix(".keys") })
    #expect(futures[1].files.paths == futures[0].files.paths)
    for (path, bytes) in [
      (ids, futures[0].files.bytes(keys)), (keys, futures[0].files.bytes(ids)),
      (ids, futures[1].files.bytes(ids)), (keys, futures[1].files.bytes(keys)),
    ] {
      let copy = LogFixture(files: futures[0].files.copy())
      #expect(copy.files.bytes(path).count == bytes.count)
      copy.files.setBytes(path, bytes)
      let again = try copy.open()
      #expect(again.recovery.indexesRebuilt, "\(path)")
      #expect(try again.put(DraftBatch(topic, ids: 0..<100)).repeats == 100)
    }
  }

  @Test func `a damaged block of a run is an error, never a second copy`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<20 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    try log.close()
    let path = try #require(fixture.files.paths.first { $0.hasSuffix(".ids") })
    var bytes = fixture.files.bytes(path)
    bytes[64 + 100] ^= 1
    fixture.files.setBytes(path, bytes)
    let again = try fixture.open()
    #expect {
      try again.append(AppendRequest(batch: DraftBatch(topic, ids: 0..<5)))
    } throws: { error in
      guard case LogError.damaged(file: path, 64, _) = error else { return false }
      return true
    }
    // The next opening builds it anew.
    let third = try fixture.open()
    #expect(third.recovery.indexesRebuilt)
    #expect(try third.put(DraftBatch(topic, ids: 0..<5)).repeats == 5)
  }

  @Test func `a log that ends before its checkpoint lost what was acknowledged, and is not opened`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<20 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    try log.flush()
    let old = fixture.files.copy()
    for round in 20..<40 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    try log.close()
    // The segments of an older backup under the newer indexes.
    let copy = LogFixture(files: fixture.files.copy())
    copy.files.setBytes(copy.lastSegment, old.bytes(copy.lastSegment))
    let end = UInt64(old.bytes(copy.lastSegment).count)
    #expect {
      try copy.open()
    } throws: { error in
      guard case LogError.damaged(file: copy.lastSegment, end, let reason) = error else { return false }
      return reason.contains("#200")
    }
    #expect(copy.files.bytes(copy.lastSegment) == old.bytes(copy.lastSegment))
    let report = try LogVerifier(directory: "log", files: copy.files).verify()
    #expect(report.problems.map(\.byteOffset) == [end])
    // Whoever deletes what is derived says that the log is right as it is.
    try copy.files.remove("log/checkpoint")
    let again = try copy.open()
    #expect(again.recovery.indexesRebuilt)
    #expect(again.durableEnd == Position(100))
    #expect(try again.put(DraftBatch(topic, ids: 0..<200)).repeats == 100)
  }

  @Test func `a newer format is named, not guessed at`() throws {
    let (fixture, _, _) = try torn()
    var bytes = fixture.files.bytes(fixture.lastSegment)
    bytes[8] = 3
    let sum = CRC32C.checksum(bytes, 0..<60)
    for index in 0..<4 { bytes[60 + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
    fixture.files.setBytes(fixture.lastSegment, bytes)
    #expect(throws: LogError.unsupportedFormat(file: fixture.lastSegment, version: 3, supported: 2)) {
      try fixture.open()
    }
  }
}
