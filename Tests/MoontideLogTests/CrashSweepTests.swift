import Foundation
import MoontideCore
import MoontideLog
import Testing

/// Random histories of appends, flushes, seals, crashes and faults, against a plain list of what must be
/// there.
struct CrashSweepTests {
  /// SplitMix64 (Steele, Lea, Flood 2014): a seed gives the same history again.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 6] + [UInt64.random(in: 7...UInt64.max)])
  func `whatever happens, what was acknowledged is there once and in order`(seed: UInt64) throws {
    print("seed \(seed)")
    var random = Seeded(state: seed)
    var fixture = LogFixture(
      options: LogOptions(
        segmentBytesMax: 20_000, indexSealEntries: 50, markBytes: 700, offsetMarkInterval: 4))
    var log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.flush()
    // All ids in the order of their positions; the first `durable` of them are acknowledged.
    var written: [Int] = []
    var durable = 0
    var fresh = 0
    let producer = ProducerID("file")
    for _ in 0..<400 {
      switch Int.random(in: 0..<20, using: &random) {
      case 0..<10:
        // New ids among old ones.
        var ids = (0..<Int.random(in: 0...12, using: &random)).map { fresh + $0 }
        fresh += ids.count
        let new = ids
        for _ in 0..<3 where !written.isEmpty { ids.append(written.randomElement(using: &random)!) }
        let known = Set(written)
        let request = DraftBatch(topic, ids.map { Sample(id: "e\($0)", key: "k\($0 % 5)", data: "\($0)") })
        let sequence = log.sequenceEnd(of: producer) ?? 0
        if Int.random(in: 0..<10, using: &random) == 0 {
          fixture.files.setRoom(Int.random(in: 0..<900, using: &random))
        }
        do {
          let result = try log.put(request, progress: (producer, sequence..<sequence + 1))
          #expect(result.count == new.count)
          #expect(result.repeats == ids.filter { known.contains($0) }.count)
          #expect(result.first.value == UInt64(written.count))
          written += new
        } catch LogError.file(let error) where error.errno == ENOSPC {
          #expect(log.sequenceEnd(of: producer) ?? 0 == sequence)
        }
        fixture.files.setRoom(.max)
      case 10..<14:
        #expect(try log.flush() == Position(UInt64(written.count)))
        durable = written.count
      case 14..<16:
        while log.maintainer.step() == .progressed {}
      case 16:
        try log.close()
        durable = written.count
        log = try fixture.open()
        #expect(log.recovery == LogRecovery())
      case 17..<19:
        // The process dies, and of what was not flushed the disk has a part, or not even that.
        let files = fixture.files.copy()
        durable = max(durable, Int(log.durableEnd.value))
        let path = fixture.lastSegment
        let synced = fixture.files.syncedBytes(path)
        fixture = LogFixture(files: files, options: fixture.options)
        let whole = files.bytes(path)
        let kept = Int.random(in: min(synced, whole.count)...whole.count, using: &random)
        let garbage = Array(repeating: UInt8(0xff), count: Int.random(in: 0..<99, using: &random))
        files.setBytes(path, Array(whole[..<kept]) + garbage)
        log = try fixture.open()
        let end = Int(log.durableEnd.value)
        #expect(end >= durable && end <= written.count)
        written.removeLast(written.count - end)
        durable = end
      default:
        for path in fixture.files.paths where !path.hasSuffix(".log") && Bool.random(using: &random) {
          try fixture.files.remove(path)
        }
        log = try { () throws -> SegmentedLog in
          try log.flush()
          return try fixture.open()
        }()
        durable = written.count
      }
    }
    try log.flush()
    #expect(try log.allIDs(records: 97) == written.map { "e\($0)" })
    for key in 0..<5 {
      let batch = RecordBatch()
      let count = try log.read(
        topic: topic, key: Array("k\(key)".utf8), from: 0, records: 100_000, into: batch)
      #expect(count == written.filter { $0 % 5 == key }.count)
      #expect(
        batch.records.map { batch.bytes.text($0.envelope.id) }
          == written.filter { $0 % 5 == key }.map { "e\($0)" })
    }
    let report = try LogVerifier(directory: "log", files: fixture.files).verify()
    #expect(report.isSound, "\(report.problems)")
    #expect(report.records == UInt64(written.count))
  }
}
