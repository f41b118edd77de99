import Foundation
import MoontideCore
import MoontideLog
import Synchronization
import Testing

struct DurabilityTests {
  @Test func `one flush covers many appends, and no flush is made for nothing`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.flush()
    let before = fixture.files.syncs
    for round in 0..<10 { try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5)) }
    #expect(fixture.files.syncs == before)
    try log.flush()
    try log.flush()
    #expect(fixture.files.syncs == before + 1)
    #expect(log.durableEnd == Position(50))
  }

  @Test func `callers share one sync, and appends go on while it runs`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.put(DraftBatch(topic, ids: 0..<5))
    let before = fixture.files.syncs
    let entered = DispatchSemaphore(value: 0)
    let leave = DispatchSemaphore(value: 0)
    fixture.files.setOnSync {
      entered.signal()
      leave.wait()
    }
    let done = DispatchGroup()
    let ends = Mutex<[Position]>([])
    @Sendable func flush() {
      do {
        let end = try log.flush()
        ends.withLock { $0.append(end) }
      } catch { Issue.record("\(error)") }
    }
    func start() {
      Thread.detachNewThread {
        flush(); done.leave()
      }
    }
    done.enter()
    start()
    entered.wait()
    // The first sync hangs in the disk. More is written, and eight want it durable.
    try log.put(DraftBatch(topic, ids: 5..<10))
    #expect(log.durableEnd == .start)
    for _ in 0..<8 {
      done.enter()
      start()
    }
    fixture.files.setOnSync(nil)
    leave.signal()
    done.wait()
    #expect(log.durableEnd == Position(10))
    #expect(ends.withLock { $0.count } == 9)
    #expect(ends.withLock { $0.filter { $0 == Position(10) }.count } >= 8)
    #expect(fixture.files.syncs == before + 2)
  }

  @Test func `a failed sync makes the log read-only and acknowledges nothing`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.put(DraftBatch(topic, ids: 0..<5))
    try log.flush()
    try log.put(DraftBatch(topic, ids: 5..<10))
    fixture.files.failSyncs()
    func isReadOnly(_ error: any Error) -> Bool {
      if case LogError.readOnly = error { true } else { false }
    }
    #expect { try log.flush() } throws: { isReadOnly($0) }
    fixture.files.failSyncs(false)
    let syncs = fixture.files.syncs
    #expect { try log.flush() } throws: { isReadOnly($0) }
    #expect(fixture.files.syncs == syncs, "a failed sync is never tried again")
    #expect { try log.append(AppendRequest(batch: DraftBatch(topic, ids: 10..<11))) } throws: {
      isReadOnly($0)
    }
    #expect(log.durableEnd == Position(5))
    #expect(try log.allIDs().count == 5)
    let again = try fixture.open()
    #expect(try again.put(DraftBatch(topic, ids: 0..<10)).count == 10 - Int(again.durableEnd.value))
  }

  @Test func `a full disk changes nothing, and the same batch goes in when there is room`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3)
    try log.put(DraftBatch(topic.id, ids: 0..<5))
    let size = fixture.files.bytes(fixture.lastSegment).count
    let topics = log.topics()
    let producer = ProducerID("p")
    for room in [0, 1, 50, 200, 500] {
      fixture.files.setRoom(room)
      #expect { try log.put(DraftBatch(topic.id, ids: 5..<10), progress: (producer, 0..<9)) } throws: {
        error in
        guard case LogError.file(let file) = error else { return false }
        return file.errno == ENOSPC
      }
      #expect(fixture.files.bytes(fixture.lastSegment).count == size)
      #expect(log.topics() == topics)
      #expect(log.sequenceEnd(of: producer) == nil)
    }
    fixture.files.setRoom(.max)
    #expect(try log.put(DraftBatch(topic.id, ids: 5..<10), progress: (producer, 0..<9)).count == 5)
    try log.flush()
    #expect(try log.allIDs() == (0..<10).map { "e\($0)" })
    let again = try LogFixture(files: fixture.files.copy()).open()
    #expect(again.recovery.bytesDropped == 0)
    #expect(try again.allIDs() == (0..<10).map { "e\($0)" })
  }

  @Test func `a full disk at the roll of a segment changes nothing either`() throws {
    let options = LogOptions(segmentBytesMax: 2000, indexSealEntries: 4096)
    let fixture = LogFixture(options: options)
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    var next = 0
    while fixture.files.bytes(fixture.lastSegment).count < 1400 {
      try log.put(DraftBatch(topic, ids: next..<next + 1))
      next += 1
    }
    let first = fixture.lastSegment
    for room in [0, 30, 63] {
      fixture.files.setRoom(room)
      #expect(throws: LogError.self) { try log.put(DraftBatch(topic, ids: next..<next + 5)) }
    }
    fixture.files.setRoom(.max)
    // What still fits goes into the old segment.
    try log.put(DraftBatch(topic, ids: next..<next + 1))
    try log.flush()
    #expect(fixture.lastSegment == first)
    // The removal of the segment that could not be begun was lost in a power cut.
    let copy = fixture.files.copy()
    var header = Array(copy.bytes(first)[..<64])
    header[32] = UInt8(next)
    header[40] = UInt8(next + 1)
    let sum = CRC32C.checksum(header, 0..<60)
    for index in 0..<4 { header[60 + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
    let name = String(repeating: "0", count: 20 - "\(next)".count) + "\(next).log"
    copy.setBytes("log/segments/\(name)", header)
    let opened = try LogFixture(files: copy, options: options).open()
    #expect(try opened.allIDs().count == next + 1)
    #expect(try opened.put(DraftBatch(topic, ids: next..<next + 9)).count == 8)
    try opened.flush()
    #expect(try opened.allIDs() == (0..<next + 9).map { "e\($0)" })
    try log.put(DraftBatch(topic, ids: next + 1..<next + 5))
    try log.flush()
    #expect(try log.allIDs() == (0..<next + 5).map { "e\($0)" })
    #expect(try LogFixture(files: fixture.files.copy(), options: options).open().allIDs().count == next + 5)
  }

  @Test func `a roll syncs the old segment and the directory of the new one`() throws {
    let fixture = LogFixture(options: LogOptions(segmentBytesMax: 1100, indexSealEntries: 4096))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.put(DraftBatch(topic, ids: 0..<5))
    let (syncs, directorySyncs) = (fixture.files.syncs, fixture.files.directorySyncs)
    try log.put(DraftBatch(topic, ids: 5..<10))
    #expect(fixture.files.paths.filter { $0.hasSuffix(".log") }.count == 2)
    #expect(log.durableEnd == Position(5))
    // One of the old segment, one of the new one's header.
    #expect(fixture.files.syncs == syncs + 2)
    #expect(fixture.files.directorySyncs == directorySyncs + 1)
  }

  @Test func `sealing that fails is told, loses nothing and is done later`() throws {
    let fixture = LogFixture(options: LogOptions(indexSealEntries: 32))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.put(DraftBatch(topic, ids: 0..<40))
    try log.flush()
    fixture.files.setRoom(700)
    #expect(log.maintainer.step() == .idle(for: .seconds(1)))
    guard case .file(let failure) = log.maintainer.failure else {
      Issue.record("the failure was not kept")
      return
    }
    #expect(failure.errno == ENOSPC)
    #expect(fixture.files.paths.allSatisfy { !$0.hasSuffix(".ids") })
    fixture.files.setRoom(.max)
    #expect(try log.put(DraftBatch(topic, ids: 0..<50)).repeats == 40)
    log.maintainer.wait(for: .zero)
    #expect(log.maintainer.step() == .progressed)
    #expect(log.maintainer.failure == nil)
    #expect(log.statistics().indexRuns == 2)
    #expect(try log.put(DraftBatch(topic, ids: 0..<50)).repeats == 50)
  }

  @Test func `a write that cannot be taken back makes the log read-only`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    fixture.files.setRoom(100)
    fixture.files.failTruncates()
    #expect(throws: LogError.self) { try log.put(DraftBatch(topic, ids: 0..<5)) }
    fixture.files.setRoom(.max)
    #expect {
      try log.put(DraftBatch(topic, ids: 0..<5))
    } throws: { error in
      if case LogError.readOnly = error { true } else { false }
    }
    fixture.files.failTruncates(false)
    let again = try fixture.open()
    #expect(again.recovery.bytesDropped == 100)
    #expect(try again.put(DraftBatch(topic, ids: 0..<5)).count == 5)
  }

  @Test func `readers see a dense prefix while others append and seal`() throws {
    let fixture = LogFixture(options: LogOptions(segmentBytesMax: 100_000, indexSealEntries: 500))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    let total = 20_000
    let group = DispatchGroup()
    for reader in 0..<3 {
      group.enter()
      Thread.detachNewThread {
        defer { group.leave() }
        let batch = RecordBatch()
        var next = Position.start
        do {
          while next.value < UInt64(total) {
            guard log.wait(past: next, for: .seconds(60)) else {
              Issue.record("stuck at \(next)")
              return
            }
            let after = try log.read(from: next, records: 37 + reader * 100, bytes: 1 << 16, into: batch)
            for (index, record) in batch.records.enumerated() {
              let id = batch.bytes.text(record.envelope.id)
              if record.position.value != next.value + UInt64(index) || id != "e\(record.position.value)" {
                Issue.record("\(record.position) holds \(id)")
                return
              }
            }
            next = after
          }
        } catch { Issue.record("\(error)") }
      }
    }
    for start in stride(from: 0, to: total, by: 100) {
      try log.put(DraftBatch(topic, ids: start..<start + 100))
      if start % 300 == 0 { try log.flush() }
      if start % 1000 == 0 { _ = log.maintainer.step() }
    }
    try log.flush()
    group.wait()
    #expect(log.durableEnd == Position(UInt64(total)))
  }
}
