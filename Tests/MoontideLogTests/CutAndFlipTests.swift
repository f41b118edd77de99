import Foundation
import MoontideCore
import MoontideLog
import Testing

/// Every cut of the last batches and many flipped bits: all are told, none costs a later good record.
/// `MOONTIDE_FLIPS` sets how many bits are flipped.
struct CutAndFlipTests {
  private static let perBatch = 2
  private static let flippedBatches = 24

  /// A log of many acknowledged batches, the byte at which each of them ends in the last segment, and how
  /// many events lie before that.
  private func written(
    closing: Bool, batches: Int, segmentBytes: UInt64 = 2000
  ) throws -> (fixture: LogFixture, ends: [(byte: Int, events: Int)]) {
    let fixture = LogFixture(
      options: LogOptions(
        segmentBytesMax: segmentBytes, indexSealEntries: 64, markBytes: 500, offsetMarkInterval: 4))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    var ends: [(path: String, byte: Int, events: Int)] = []
    for round in 0..<batches {
      try log.put(DraftBatch(topic, ids: round * Self.perBatch..<(round + 1) * Self.perBatch))
      try log.flush()
      let path = fixture.lastSegment
      ends.append((path, fixture.files.bytes(path).count, (round + 1) * Self.perBatch))
    }
    if closing { try log.close() }
    return (fixture, ends.filter { $0.path == fixture.lastSegment }.map { ($0.byte, $0.events) })
  }

  private func cut(_ fixture: LogFixture, at byte: Int) -> LogFixture {
    let copy = LogFixture(files: fixture.files.copy(), options: fixture.options)
    copy.files.setBytes(fixture.lastSegment, Array(fixture.files.bytes(fixture.lastSegment)[..<byte]))
    return copy
  }

  @Test func `a killed log that is cut at any byte of its last three batches keeps all before the cut`()
    throws
  {
    let (fixture, ends) = try written(closing: false, batches: 6, segmentBytes: 1 << 20)
    let whole = fixture.files.bytes(fixture.lastSegment).count
    for byte in ends[ends.count - 4].byte..<whole {
      let copy = cut(fixture, at: byte)
      let kept = try #require(ends.last { $0.byte <= byte })
      let report = try LogVerifier(directory: "log", files: copy.files).verify()
      #expect(report.isSound, "cut at \(byte): \(report.problems)")
      #expect(report.tornTailBytes == UInt64(byte - kept.byte), "cut at \(byte)")
      #expect(report.tornTail.map { Int($0.byteOffset) } == (byte > kept.byte ? kept.byte : nil))
      #expect(report.end == Position(UInt64(kept.events)))
      #expect(report.durableEnd <= report.end)
      let log = try copy.open()
      #expect(log.recovery.bytesDropped == UInt64(byte - kept.byte), "cut at \(byte)")
      #expect(try log.allIDs() == (0..<kept.events).map { "e\($0)" }, "cut at \(byte)")
    }
  }

  @Test func `a closed log that is cut anywhere is damaged at that byte, and nothing of it is dropped`()
    throws
  {
    let (fixture, ends) = try written(closing: true, batches: 6, segmentBytes: 1 << 20)
    let whole = fixture.files.bytes(fixture.lastSegment).count
    for byte in ends[ends.count - 4].byte..<whole {
      let copy = cut(fixture, at: byte)
      let kept = try #require(ends.last { $0.byte <= byte })
      let report = try LogVerifier(directory: "log", files: copy.files).verify()
      #expect(!report.isSound, "cut at \(byte)")
      #expect(
        report.problems.first.map { Int($0.byteOffset) } == kept.byte, "cut at \(byte): \(report.problems)")
      #expect {
        try copy.open()
      } throws: { error in
        guard case LogError.damaged(file: fixture.lastSegment, UInt64(byte), _) = error else { return false }
        return true
      }
      #expect(copy.files.bytes(fixture.lastSegment).count == byte, "an opening that is refused drops nothing")
      #expect(throws: LogError.self) { try LogReader(directory: "log", files: copy.files) }
    }
  }

  @Test func `every flipped bit is told, and costs no more than its batch`() throws {
    let flips = ProcessInfo.processInfo.environment["MOONTIDE_FLIPS"].flatMap(Int.init) ?? 300
    let seed = UInt64.random(in: 0..<1 << 32)
    print("seed \(seed)")
    var random = SplitMix(seed)
    for closing in [true, false] {
      let (fixture, _) = try written(closing: closing, batches: Self.flippedBatches)
      let paths = fixture.files.paths.filter { $0.hasSuffix(".log") }
      #expect(paths.count >= 3)
      for _ in 0..<flips / 2 {
        let path = paths[Int(random.next() % UInt64(paths.count))]
        var bytes = fixture.files.bytes(path)
        let bit = Int(random.next() % UInt64(bytes.count * 8))
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        let copy = LogFixture(files: fixture.files.copy(), options: fixture.options)
        copy.files.setBytes(path, bytes)
        try expectTold(copy, path, byte: bit / 8, closing: closing, seed: seed)
      }
    }
  }

  /// Of each record the id and the data.
  private func texts(_ log: SegmentedLog) throws -> [String] {
    let batch = RecordBatch()
    var texts: [String] = []
    var next = Position.start
    while true {
      let after = try log.read(from: next, records: 100, bytes: 1 << 20, into: batch)
      texts += batch.records.map {
        "\(batch.bytes.text($0.envelope.id)) \(batch.bytes.text($0.envelope.data))"
      }
      if after == next { return texts }
      next = after
    }
  }

  private func expectTold(
    _ copy: LogFixture, _ path: String, byte: Int, closing: Bool, seed: UInt64
  ) throws {
    let report = try LogVerifier(directory: "log", files: copy.files).verify()
    let place: Comment = "seed \(seed), \(path) byte \(byte), closed \(closing)"
    let isFirstHeader = byte < 64 && path.hasSuffix("00000000000000000000.log")
    // Nothing has been said of the last batch of a log that was killed: it is a torn tail, told as such.
    let told = report.problems.first ?? report.tornTail
    #expect(told?.file == path, place)
    if !isFirstHeader {
      #expect(report.records >= UInt64(Self.flippedBatches * Self.perBatch - Self.perBatch), place)
      let from = told.map { Int($0.byteOffset) } ?? -1
      #expect(from <= byte && byte - from < 900, "\(place): told at \(from)")
    }
    // What can be read is right: a log that was closed is not read by opening it, and not each of its bytes
    // is needed to read on.
    do {
      let log = try copy.open()
      let kept = Self.flippedBatches * Self.perBatch - (closing ? 0 : Self.perBatch)
      #expect(try texts(log) == (0..<kept).map { "e\($0) {\"n\":\($0)}" }, place)
    } catch let error as LogError {
      guard case .damaged(let file, _, _) = error else {
        #expect(Bool(false), "\(place): \(error)")
        return
      }
      #expect(file == path, place)
    }
  }
}

/// Sebastiano Vigna's splitmix64: the same numbers for a seed.
struct SplitMix {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
