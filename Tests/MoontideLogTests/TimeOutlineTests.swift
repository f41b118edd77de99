import MoontideCore
import MoontideLog
import Testing

struct TimeOutlineTests {
  private static let day = EventTime("2024-03-01T00:00:00Z")!.microseconds

  /// Events of two topics, mostly a second apart, some of them late by up to a day; a quarantined line and a
  /// rare topic between them.
  private func written(
    _ fixture: LogFixture, count: Int, random: inout SplitMix
  ) throws -> (log: SegmentedLog, times: [(topic: TopicID, time: Int64?)]) {
    let log = try fixture.open()
    let topics = try ["a", "b", "rare"].map { try log.topic(TopicName($0)!, partitions: 2).id }
    let quarantine = try log.topic(.quarantine, partitions: 1).id
    var times: [(topic: TopicID, time: Int64?)] = []
    let start = Int(log.durableEnd.value)
    for first in stride(from: start, to: start + count, by: 50) {
      let batch = DraftBatch()
      for n in first..<min(first + 50, start + count) {
        if n % 1_777 == 1_000 {
          batch.add(quarantine, Sample(id: "q\(n)", kind: .quarantine))
          times.append((quarantine, nil))
          continue
        }
        let topic = n % 2_111 == 7 ? topics[2] : topics[Int(random.next() % 2)]
        let late = random.next() % 40 == 0 ? Int64(random.next() % 86_400) : 0
        let time = Self.day + (Int64(n) - late) * 1_000_000
        batch.add(topic, Sample(id: "e\(n)", time: EventTime(microseconds: time).description))
        times.append((topic, time))
      }
      try log.put(batch)
    }
    try log.flush()
    return (log, times)
  }

  private func outline(_ log: LogReader) throws -> TimeOutline {
    var outline = TimeOutline()
    let batch = RecordBatch()
    while try outline.extend(by: log, using: batch) {}
    return outline
  }

  @Test func `by an outline nobody passes by what is wanted, and far stretches are passed by`() throws {
    var random = SplitMix(20_261_123)
    let fixture = LogFixture()
    let (_, times) = try written(fixture, count: 6_000, random: &random)
    let outline = try outline(try LogReader(directory: "log", files: fixture.files))
    #expect(outline.end == Position(6_000))
    var passed = 0
    for round in 0..<300 {
      let until = Self.day + Int64(random.next() % 6_500) * 1_000_000
      let start = Int(random.next() % 6_001)
      let topics = round % 2 == 0 ? [TopicID(0), TopicID(1)] : [TopicID(2)]
      let found = outline.next(from: Position(UInt64(start)), countMax: 1 + Int(random.next() % 3_000)) {
        topics.contains($0.topic) && $0.earliest <= until
      }
      func isWanted(_ n: Int) -> Bool {
        guard let time = times[n].time else { return false }
        return topics.contains(times[n].topic) && time <= until
      }
      let first = Int(found.lowerBound.value)
      #expect(first >= start)
      #expect(!(start..<first).contains(where: isWanted), "#\(start) to #\(first) was passed by")
      passed += first - start
      if found.isEmpty { #expect(first == max(start, 6_000)) }
    }
    #expect(passed > 100_000, "\(passed)")
    // Records that are no events are never passed by.
    let quarantined = outline.next(from: .start) { $0.topic == TopicID(3) && $0.earliest <= .min }
    #expect(quarantined.contains(Position(1_000)))
  }

  @Test func `events are counted and found by type and time as by reading all`() throws {
    var random = SplitMix(20_261_124)
    let fixture = LogFixture()
    let log = try fixture.open()
    let topics = try ["a", "b"].map { try log.topic(TopicName($0)!, partitions: 2).id }
    var events: [(topic: TopicID, type: String, time: Int64, position: Int)] = []
    for first in stride(from: 0, to: 9_000, by: 60) {
      let batch = DraftBatch()
      for n in first..<first + 60 {
        let topic = topics[Int(random.next() % 2)]
        let type = (4_000..<4_050).contains(n) ? "Rare" : "T\(random.next() % 12)"
        let time = Self.day + Int64(n) * 1_000_000
        batch.add(
          topic, Sample(id: "e\(n)", type: type, time: EventTime(microseconds: time).description))
        events.append((topic, type, time, n))
      }
      try log.put(batch)
    }
    try log.flush()
    var outline = TimeOutline()
    let batch = RecordBatch()
    while try outline.extend(by: log, using: batch) {}
    #expect(try TimeOutline(outline.encoded(for: log), of: log) == outline)
    let tallies = try #require(outline.tallies)
    #expect(tallies.reduce(0) { $0 + $1.count } == 9_000)
    for tally in tallies {
      let type = String(decoding: tally.type, as: UTF8.self)
      #expect(tally.count == events.count { $0.topic == tally.topic && $0.type == type }, "\(type)")
    }
    #expect(tallies.count == Set(tallies.map { "\($0.topic.value) \($0.type)" }).count)
    for _ in 0..<200 {
      let earliest = Self.day + Int64(random.next() % 9_000) * 1_000_000
      let question = EventQuestion(
        topic: random.next() % 2 == 0 ? nil : topics[Int(random.next() % 2)],
        type: random.next() % 2 == 0 ? Array("Rare".utf8) : nil, earliest: earliest,
        latest: earliest + Int64(random.next() % 3_000) * 1_000_000)
      let wanted = events.filter { event in
        (question.topic == nil || question.topic == event.topic)
          && (question.type == nil || event.type == "Rare")
          && question.earliest <= event.time && event.time <= question.latest
      }.map(\.position)
      var ahead: [Int] = []
      var position = Position.start
      while position < outline.end {
        let found = outline.next(from: position, countMax: 500, of: question)
        ahead += Int(found.lowerBound.value)..<Int(found.upperBound.value)
        position = found.upperBound
      }
      var back: [Int] = []
      position = outline.end
      while true {
        let found = outline.last(before: position, countMax: 500, of: question)
        if found.isEmpty { break }
        back += Int(found.lowerBound.value)..<Int(found.upperBound.value)
        position = found.lowerBound
      }
      #expect(Set(ahead).isSuperset(of: wanted) && Set(back).isSuperset(of: wanted), "\(question)")
      #expect(ahead.count == Set(ahead).count && Set(ahead) == Set(back), "\(question)")
      #expect(ahead.count <= wanted.count + 2_048 * 2, "\(question)")
    }
  }

  @Test func `more types than are told apart, and more sources, are said so`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(TopicName("a")!, partitions: 1).id
    let count = Limits.outlineTypesMax + 10
    for first in stride(from: 0, to: count, by: 500) {
      let batch = DraftBatch()
      for n in first..<min(first + 500, count) {
        batch.add(topic, Sample(id: "e\(n)", source: "s\(n)", type: "T\(n)"))
      }
      try log.put(batch)
    }
    try log.flush()
    var outline = TimeOutline()
    let batch = RecordBatch()
    while try outline.extend(by: log, using: batch) {}
    #expect(outline.tallies == nil && outline.sources == nil)
    let last = EventQuestion(type: Array("T\(count - 1)".utf8))
    #expect(outline.last(before: outline.end, countMax: 1, of: last).contains(Position(UInt64(count - 1))))
    let back = try #require(try TimeOutline(outline.encoded(for: log), of: log))
    #expect(back == outline && back.tallies == nil && back.sources == nil)
  }

  @Test func `an outline comes back from its bytes, for the log and the history that it is of`() throws {
    var random = SplitMix(7)
    let fixture = LogFixture()
    let (log, _) = try written(fixture, count: 2_500, random: &random)
    try log.close()
    let reader = try LogReader(directory: "log", files: fixture.files)
    let whole = try outline(reader)
    let bytes = try whole.encoded(for: reader)
    #expect(try TimeOutline(bytes, of: reader) == whole)
    for index in stride(from: 0, to: bytes.count, by: 97) {
      var damaged = bytes
      damaged[index] ^= 4
      #expect(try TimeOutline(damaged, of: reader) == nil, "byte \(index)")
    }
    let restored = fixture.files.copy()
    _ = try written(fixture, count: 1_500, random: &random)
    let longer = try LogReader(directory: "log", files: fixture.files)
    var grown = try #require(try TimeOutline(bytes, of: longer))
    let batch = RecordBatch()
    while try grown.extend(by: longer, using: batch) {}
    #expect(grown == (try outline(longer)))
    let last = try grown.encoded(for: longer)
    #expect(try TimeOutline(last, of: reader) == nil, "it reaches further than this log")
    // The same log as it was before, which goes on otherwise.
    let other = LogFixture(files: restored)
    other.clock.now = EventTime("2024-05-02T10:00:00Z")!
    _ = try written(other, count: 1_500, random: &random)
    let parted = try LogReader(directory: "log", files: restored)
    #expect(parted.durableEnd == longer.durableEnd && parted.identity == longer.identity)
    #expect(try TimeOutline(last, of: parted) == nil, "another history")
    #expect(try TimeOutline(bytes, of: parted) != nil, "what both share")
  }

  @Test func `a reader that trusts the checkpoint sees what one sees that reads all, and refuses a cut log`()
    throws
  {
    let options = LogOptions(
      segmentBytesMax: 60_000, indexSealEntries: 500, markBytes: 2_000, offsetMarkInterval: 16)
    let fixture = LogFixture(options: options)
    var random = SplitMix(3)
    for round in 0..<4 {
      let (log, _) = try written(fixture, count: 700, random: &random)
      if round < 3 { try log.close() }
      let trusting = try LogReader(directory: "log", files: fixture.files, trusting: true)
      let reading = try LogReader(directory: "log", files: fixture.files)
      #expect(trusting.durableEnd == reading.durableEnd)
      #expect(trusting.topics() == reading.topics())
      #expect(trusting.files().map(\.bytes) == reading.files().map(\.bytes))
      #expect(try trusting.allIDs(records: 37) == reading.allIDs())
      for position in stride(from: UInt64(1), to: trusting.durableEnd.value, by: 301) {
        let end = Position(position)
        #expect(try trusting.fingerprint(before: end) == reading.fingerprint(before: end))
      }
      for place in [
        LogPlace.offset(topic: TopicID(0), partition: 1, offset: Offset(77)),
        .offset(topic: TopicID(0), partition: 0, offset: Offset(100_000)),
        .recorded(fixture.clock.now), .recorded(EventTime(microseconds: 0)),
      ] {
        #expect(try trusting.position(of: place) == log.position(of: place), "\(place)")
        #expect(try reading.position(of: place) == log.position(of: place), "\(place)")
      }
      fixture.clock.now = EventTime(microseconds: fixture.clock.now.microseconds + 1_000_000)
    }
    try fixture.open().close()
    let path = fixture.lastSegment
    fixture.files.setBytes(path, Array(fixture.files.bytes(path).prefix(64)))
    #expect(throws: LogError.self) {
      try LogReader(directory: "log", files: fixture.files, trusting: true)
    }
  }
}
