import Foundation
import MoontideCore
import MoontideLog
import Testing

/// Damaged logs that are repaired: every sound record stays where it was, nothing that was lost is used
/// again. `MOONTIDE_FLIPS` sets how many bits are flipped, and how many stretches overwritten.
struct LogRepairTests {
  /// What a record is, and where it stands.
  private struct Place: Hashable {
    var position: UInt64
    var offset: String
    var text: String
  }

  private static let perBatch = 4
  private static let batches = 24
  private static let producer = ProducerID("file:7:100:abc")

  private var rounds: Int {
    (ProcessInfo.processInfo.environment["MOONTIDE_FLIPS"].flatMap(Int.init) ?? 200) / 2
  }

  /// `MOONTIDE_SEED` repeats a run.
  private func makeSeed() -> UInt64 {
    let seed =
      ProcessInfo.processInfo.environment["MOONTIDE_SEED"].flatMap(UInt64.init)
      ?? UInt64.random(in: 0..<1 << 32)
    print("seed \(seed)")
    return seed
  }

  private func written(closing: Bool, segmentBytes: UInt64 = 4_000) throws -> LogFixture {
    let fixture = LogFixture(
      options: LogOptions(
        segmentBytesMax: segmentBytes, indexSealEntries: 64, markBytes: 500, offsetMarkInterval: 4))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<Self.batches {
      let ids = round * Self.perBatch..<(round + 1) * Self.perBatch
      let progress: (ProducerID, Range<UInt64>)? =
        round % 3 == 0 ? (Self.producer, UInt64(round / 3) * 10..<UInt64(round / 3 + 1) * 10) : nil
      try log.put(DraftBatch(topic, ids: ids), progress: progress)
      try log.flush()
    }
    if closing { try log.close() }
    return fixture
  }

  private func segments(_ fixture: LogFixture) -> [String] {
    fixture.files.paths.filter { $0.hasPrefix("log/segments/") && $0.hasSuffix(".log") }
  }

  private func copy(_ fixture: LogFixture) -> LogFixture {
    LogFixture(files: fixture.files.copy(), options: fixture.options)
  }

  private func places(_ log: any EventLog) throws -> Set<Place> {
    let batch = RecordBatch()
    var places: Set<Place> = []
    var next = Position.start
    while true {
      let after = try log.read(from: next, records: 7, bytes: 1 << 20, into: batch)
      for record in batch.records {
        let texts = [record.envelope.id, record.envelope.key, record.envelope.data].map(batch.bytes.text)
        places.insert(
          Place(
            position: record.position.value,
            offset: "\(record.topic.value)/\(record.partition)@\(record.offset)",
            text: "\(texts) \(record.recordedMicroseconds)"))
      }
      if after == next { return places }
      next = after
    }
  }

  private func plan(_ fixture: LogFixture, floor: Position = .start) throws -> LogRepair.Plan {
    try LogRepair(directory: "log", files: fixture.files).plan(floor: floor)
  }

  @discardableResult
  private func repair(_ fixture: LogFixture, floor: Position = .start) throws -> LogRepair.Plan {
    let repair = try LogRepair(directory: "log", files: fixture.files)
    let plan = try repair.plan(floor: floor)
    try repair.carryOut(plan, aside: "aside")
    return plan
  }

  /// The repaired log is sound, holds `kept` of `before` where they were, and uses no place a second time.
  @discardableResult
  private func expectMended(
    _ fixture: LogFixture, _ plan: LogRepair.Plan, before: Set<Place>, _ comment: Comment
  ) throws -> Set<Place> {
    let report = try LogVerifier(directory: "log", files: fixture.files).verify()
    #expect(report.isSound, "\(comment): \(report.problems)")
    #expect(report.end == plan.end, comment)
    #expect(report.gaps.reduce(0) { $0 + $1.to.value - $1.from.value } == plan.lostPositions, comment)
    #expect(try !self.plan(fixture).isNeeded, "\(comment): it is repaired twice")
    let log = try fixture.open()
    let kept = try places(log)
    #expect(kept.isSubset(of: before), comment)
    #expect(UInt64(before.count - kept.count) == plan.lostPositions, comment)
    #expect(try places(LogReader(directory: "log", files: fixture.files)) == kept, comment)
    let topic = try log.topic(.events, partitions: nil).id
    try log.put(DraftBatch(topic, ids: 5_000..<5_012))
    try log.flush()
    let added = try places(log).subtracting(kept)
    #expect(added.count == 12, comment)
    let used = Set(before.map(\.offset))
    #expect(added.allSatisfy { $0.position >= plan.end.value && !used.contains($0.offset) }, comment)
    #expect(try log.position(of: .offset(topic: topic, partition: 0, offset: Offset(1 << 40))) == nil)
    return kept
  }

  @Test func `a sound log needs no repair`() throws {
    for closing in [true, false] {
      let plan = try plan(written(closing: closing))
      #expect(!plan.isNeeded && plan.losses.isEmpty && plan.records == 96 && plan.end == Position(96))
    }
  }

  @Test func `a flipped bit anywhere is put right, byte for byte`() throws {
    let seed = makeSeed()
    var random = SplitMix(seed)
    for closing in [true, false] {
      let fixture = try written(closing: closing)
      let paths = segments(fixture)
      #expect(paths.count >= 3)
      for _ in 0..<rounds {
        let path = paths[Int(random.next() % UInt64(paths.count))]
        let whole = fixture.files.bytes(path)
        var bytes = whole
        let bit = Int(random.next() % UInt64(bytes.count * 8))
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        let copy = copy(fixture)
        copy.files.setBytes(path, bytes)
        let place: Comment = "seed \(seed), \(path) byte \(bit / 8) bit \(bit % 8), closed \(closing)"
        let plan = try repair(copy)
        if plan.tornTailBytes > 0 {
          // The last batch of a log that was killed: nothing says that it was acknowledged.
          #expect(!closing && !plan.isNeeded && path == paths.last, place)
          continue
        }
        #expect(plan.corrections.map(\.file) == [path], place)
        #expect(plan.corrections.map(\.byteOffset) == [UInt64(bit / 8)], place)
        #expect(plan.losses.isEmpty && plan.lostPositions == 0 && plan.records == 96, place)
        #expect(copy.files.bytes(path) == whole, place)
        #expect(copy.files.bytes("aside/" + path.split(separator: "/").last!) == bytes, place)
      }
    }
  }

  @Test func `an overwritten stretch costs the records that it touched and no other`() throws {
    let seed = makeSeed()
    var random = SplitMix(seed)
    let fixture = try written(closing: true)
    let before = try places(LogReader(directory: "log", files: fixture.files))
    let paths = segments(fixture)
    for _ in 0..<rounds {
      let path = paths[Int(random.next() % UInt64(paths.count))]
      var bytes = fixture.files.bytes(path)
      let count = 3 + Int(random.next() % 300)
      let start = Int(random.next() % UInt64(bytes.count - count))
      for at in start..<start + count { bytes[at] = UInt8(truncatingIfNeeded: random.next()) }
      let copy = copy(fixture)
      copy.files.setBytes(path, bytes)
      let place: Comment = "seed \(seed), \(path) bytes \(start) to \(start + count)"
      let plan = try repair(copy)
      #expect(plan.isNeeded, place)
      // A record has some 100 bytes; what lies under lost headers is given up batch by batch.
      #expect(plan.lostPositions <= UInt64(2 + count / 70 + 2 * Self.perBatch), place)
      if count < 60 { #expect(plan.lostPositions <= 2, "\(place): \(plan.losses)") }
      try expectMended(copy, plan, before: before, place)
    }
  }

  @Test func `a closed log that was cut goes on behind what it had, at every byte of its last batches`()
    throws
  {
    let fixture = try written(closing: true, segmentBytes: 1 << 20)
    let before = try places(LogReader(directory: "log", files: fixture.files))
    let path = fixture.lastSegment
    let whole = fixture.files.bytes(path)
    for byte in stride(from: whole.count - 1_300, to: whole.count, by: 17) {
      let copy = copy(fixture)
      copy.files.setBytes(path, Array(whole[..<byte]))
      #expect(throws: LogError.self) { try copy.open() }
      let plan = try repair(copy)
      #expect(plan.end == Position(96) && plan.firstLost.map { $0.value + plan.lostPositions } == 96)
      try expectMended(copy, plan, before: before, "cut at \(byte)")
    }
  }

  @Test func `no position below the place that a handler has come to is used again`() throws {
    let fixture = try written(closing: false, segmentBytes: 1 << 20)
    let before = try places(LogReader(directory: "log", files: fixture.files))
    let path = fixture.lastSegment
    fixture.files.setBytes(path, Array(fixture.files.bytes(path).dropLast(700)))
    #expect(try !plan(fixture).isNeeded, "nothing in the log says that it was longer")
    let plan = try repair(fixture, floor: Position(96))
    #expect(plan.end == Position(96) && plan.lostPositions > 0 && plan.lostPositions <= 8)
    try expectMended(fixture, plan, before: before, "cut below a checkpoint")
  }

  @Test func `a missing segment is a gap, wherever it was`() throws {
    let fixture = try written(closing: true)
    let before = try places(LogReader(directory: "log", files: fixture.files))
    for (number, path) in segments(fixture).enumerated() {
      let copy = copy(fixture)
      try copy.files.remove(path)
      let plan = try repair(copy)
      #expect(plan.lostPositions > 0 && plan.lossCount == 1, "segment \(number)")
      try expectMended(copy, plan, before: before, "segment \(number)")
      // The producer's later numbers tell which of them are lost.
      if number == 1 { #expect(plan.lostSequences.first?.producer == Self.producer) }
    }
  }

  @Test func `bytes behind the end of a segment go, and nothing else`() throws {
    let fixture = try written(closing: true)
    let before = try places(LogReader(directory: "log", files: fixture.files))
    for path in segments(fixture).dropLast() {
      let copy = copy(fixture)
      let whole = fixture.files.bytes(path)
      copy.files.setBytes(path, whole + [UInt8](repeating: 7, count: 333))
      let plan = try repair(copy)
      #expect(plan.lostPositions == 0 && plan.losses.map(\.bytes.count) == [333], "\(path)")
      #expect(copy.files.bytes(path) == whole)
      try expectMended(copy, plan, before: before, "\(path)")
    }
  }

  @Test func `a lost declaration is taken from the checkpoint, or asked for`() throws {
    let topics: [TopicID: (name: TopicName, partitions: UInt16)] = [TopicID(0): (.events, 3)]
    for closing in [true, false] {
      let fixture = try written(closing: closing)
      let before = try places(LogReader(directory: "log", files: fixture.files))
      let path = segments(fixture)[0]
      var bytes = fixture.files.bytes(path)
      for at in 64..<150 { bytes[at] = 0 }
      fixture.files.setBytes(path, bytes)
      if !closing {
        #expect {
          try self.plan(fixture)
        } throws: { error in
          guard case LogError.lostTopic(TopicID(0), file: path, _) = error else { return false }
          return true
        }
      }
      let repair = try LogRepair(directory: "log", files: fixture.files)
      let plan = try repair.plan(floor: .start, topics: topics)
      try repair.carryOut(plan, aside: "aside")
      #expect(plan.lostPositions == 0 && plan.lossCount == 1)
      try expectMended(fixture, plan, before: before, "closed \(closing)")
      #expect(try fixture.open().topics().first?.name == .events)
    }
  }

  @Test func `a repair that breaks off anywhere is done by the next one`() throws {
    let fixture = try written(closing: true)
    let before = try places(LogReader(directory: "log", files: fixture.files))
    for path in segments(fixture).prefix(3) {
      var bytes = fixture.files.bytes(path)
      for at in 900..<1_000 { bytes[at] = 0xEE }
      fixture.files.setBytes(path, bytes)
    }
    let expected = try plan(fixture)
    var broken = 0
    func breakOff(_ fault: (FaultyFileSystem) -> Void, _ name: Comment) throws {
      let copy = copy(fixture)
      fault(copy.files)
      do { try repair(copy) } catch is LogError { broken += 1 }
      copy.files.setRoom(.max)
      copy.files.setRenames(.max)
      try repair(copy)
      try expectMended(copy, expected, before: before, name)
    }
    for renames in 0..<5 { try breakOff({ $0.setRenames(renames) }, "\(renames) renames") }
    for room in stride(from: 0, to: 30_000, by: 997) {
      try breakOff({ $0.setRoom(room) }, "room for \(room) bytes")
    }
    #expect(broken > 20, "\(broken)")
  }
}
