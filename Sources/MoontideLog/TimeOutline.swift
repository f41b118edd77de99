public import MoontideCore

/// Where in a log which events lie: for every stretch of `Limits.outlineStretch` positions the topics and the
/// types of events that are there, how many, and their earliest and latest time. By it a fold of what had
/// happened by some time reads the stretches alone that can have a part in it, a search for the records
/// of one topic or type those that have any, and events are counted by type without reading one. Derived: it
/// may be deleted, and is made again by reading the log once.
///
/// Encoded: magic `MOONTOUT` 8, version 4, CRC32C of the rest 4, identity of the log 16, the position up to
/// which it reaches 8, the fingerprint before it 16, stretches 8; the types and the sources, see
/// `NumberedTexts`; then for each stretch the number of its entries 2, and for each entry the topic 2, the
/// type 2, how many records 2, earliest 8 and latest 8, microseconds since 1970. All little-endian.
public struct TimeOutline: Sendable, Equatable {
  /// The events of one type and topic in one stretch, or the topic's records of other kinds.
  public struct Entry: Sendable, Equatable {
    public var topic: TopicID
    /// The number of the type; see `noEvents` and `otherTypes`.
    var type: UInt16
    /// Records, 1 to `Limits.outlineStretch`.
    var count: UInt16
    /// Of its events; `Int64.min` when it has records of other kinds, so that nobody passes them by.
    public var earliest: Int64
    /// Of its events; `Int64.min` when it has none.
    public var latest: Int64

    static let bytes = 22
    /// In the place of a type: records that are no events.
    static let noEvents = UInt16.max
    /// In the place of a type: events of those that are not told apart.
    static let otherTypes = UInt16.max - 1
  }

  private static let magic: UInt64 = 0x5455_4f54_4e4f_4f4d
  private static let version: UInt32 = 2
  private static let headerBytes = 56

  /// What lies before it is outlined.
  public private(set) var end = Position.start
  private var entries: [Entry] = []
  /// The first entry of each stretch.
  private var firsts: [Int] = []
  private var types = NumberedTexts(countMax: Limits.outlineTypesMax)
  private var allSources = NumberedTexts(countMax: Limits.outlineSourcesMax)

  public init() {}

  /// Takes in what the log has behind `end`, one read of it.
  /// - Parameter batch: a buffer to use.
  /// - Returns: false when there was nothing more.
  public mutating func extend(by log: some OutlinedLog, using batch: RecordBatch) throws(LogError) -> Bool {
    let next = try log.read(
      from: end, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesDeepMax, into: batch)
    for record in batch.records { add(record, batch.bytes) }
    guard next > end else { return false }
    end = next
    return true
  }

  private mutating func add(_ record: Record, _ bytes: [UInt8]) {
    let stretch = Int(record.position.value / Limits.outlineStretch)
    precondition(stretch >= firsts.count - 1, "#\(record.position.value) after stretch \(firsts.count - 1)")
    while firsts.count <= stretch { firsts.append(entries.count) }
    let isEvent = record.envelope.kind == .event
    let time = isEvent ? record.envelope.timeMicroseconds : .min
    var type = Entry.noEvents
    if isEvent {
      type = types.number(bytes, record.envelope.type).map { UInt16($0) } ?? Entry.otherTypes
      _ = allSources.number(bytes, record.envelope.source)
    }
    var index = entries.count - 1
    while index >= firsts[stretch] {
      if entries[index].topic == record.topic, entries[index].type == type {
        entries[index].count += 1
        entries[index].earliest = min(entries[index].earliest, time)
        entries[index].latest = max(entries[index].latest, time)
        return
      }
      index -= 1
    }
    entries.append(Entry(topic: record.topic, type: type, count: 1, earliest: time, latest: time))
  }

  private func entries(of stretch: Int) -> ArraySlice<Entry> {
    entries[firsts[stretch]..<(stretch + 1 < firsts.count ? firsts[stretch + 1] : entries.count)]
  }

  /// The next positions at or after `start` that lie in stretches of which an entry is wanted; empty and at
  /// `end` when there are none. What lies at or after `end` is not spoken of.
  /// - Parameters:
  ///   - countMax: how long the range is at most, rounded up to stretches.
  ///   - isWanted: asked about each entry of the stretches that are passed by, and of those of the range
  ///     until one is wanted.
  public func next(
    from start: Position, countMax: Int = 1, where isWanted: (Entry) -> Bool
  ) -> Range<Position> {
    var stretch = Int(start.value / Limits.outlineStretch)
    func holds(_ stretch: Int) -> Bool { entries(of: stretch).contains(where: isWanted) }
    while stretch < firsts.count, !holds(stretch) { stretch += 1 }
    guard stretch < firsts.count else { return max(start, end)..<max(start, end) }
    let first = max(start, Position(UInt64(stretch) * Limits.outlineStretch))
    var past = stretch + 1
    while past < firsts.count, (past - stretch) * Int(Limits.outlineStretch) < countMax, holds(past) {
      past += 1
    }
    return first..<max(first, min(end, Position(UInt64(past) * Limits.outlineStretch)))
  }

  /// Whether a stretch between two positions has a wanted entry.
  public func contains(from start: Position, before end: Position, where isWanted: (Entry) -> Bool) -> Bool {
    let found = next(from: start, where: isWanted)
    return !found.isEmpty && found.lowerBound < end
  }

  /// The time of the earliest event; nil when there are none, or when records of other kinds lie among them.
  public func earliest(among isWanted: (TopicID) -> Bool) -> EventTime? {
    let first = entries.filter { isWanted($0.topic) }.map(\.earliest).min()
    return first.flatMap { $0 == .min ? nil : EventTime(microseconds: $0) }
  }

  /// How many stretches have a wanted entry.
  public func stretches(where isWanted: (Entry) -> Bool) -> Int {
    firsts.indices.count { entries(of: $0).contains(where: isWanted) }
  }

  // MARK: As bytes

  /// - Parameters:
  ///   - log: the log it is of; it reaches at least to `end`.
  public func encoded(for log: some OutlinedLog) throws(LogError) -> [UInt8] {
    let fingerprint = try log.fingerprint(before: end) ?? .zero
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headerBytes + firsts.count * 2 + entries.count * Entry.bytes)
    bytes.add(Self.magic)
    bytes.add(Self.version)
    bytes.add(UInt32(0))
    bytes.add(log.digest.high)
    bytes.add(log.digest.low)
    bytes.add(end.value)
    bytes.add(fingerprint.high)
    bytes.add(fingerprint.low)
    bytes.add(UInt64(firsts.count))
    types.encode(into: &bytes)
    allSources.encode(into: &bytes)
    for stretch in firsts.indices {
      let own = entries(of: stretch)
      bytes.add(UInt16(own.count))
      for entry in own {
        bytes.add(entry.topic.value)
        bytes.add(entry.type)
        bytes.add(entry.count)
        bytes.add(entry.earliest)
        bytes.add(entry.latest)
      }
    }
    bytes.put(CRC32C.checksum(bytes, 16..<bytes.count), at: 12)
    return bytes
  }

  /// Nil when the bytes are not sound, of another version or another log, or of a history that this log does
  /// not have.
  public init?(_ bytes: [UInt8], of log: some OutlinedLog) throws(LogError) {
    guard bytes.count >= Self.headerBytes + 8, bytes.number(UInt64.self, at: 0) == Self.magic,
      bytes.number(UInt32.self, at: 8) == Self.version,
      bytes.number(UInt32.self, at: 12) == CRC32C.checksum(bytes, 16..<bytes.count),
      bytes.number(UInt64.self, at: 16) == log.digest.high,
      bytes.number(UInt64.self, at: 24) == log.digest.low
    else { return nil }
    end = Position(bytes.number(UInt64.self, at: 32))
    let fingerprint = Digest(
      high: bytes.number(UInt64.self, at: 40), low: bytes.number(UInt64.self, at: 48))
    if end > .start {
      guard try log.fingerprint(before: end) == fingerprint else { return nil }
    }
    var at = 56
    // Behind a matching checksum the fields are what `encoded` wrote.
    let stretches = Int(bytes.number(UInt64.self, at: at))
    at += 8
    types = NumberedTexts(bytes, at: &at, countMax: Limits.outlineTypesMax)
    allSources = NumberedTexts(bytes, at: &at, countMax: Limits.outlineSourcesMax)
    firsts.reserveCapacity(stretches)
    for _ in 0..<stretches {
      firsts.append(entries.count)
      let count = bytes.number(UInt16.self, at: at)
      at += 2
      for _ in 0..<count {
        entries.append(
          Entry(
            topic: TopicID(bytes.number(UInt16.self, at: at)), type: bytes.number(UInt16.self, at: at + 2),
            count: bytes.number(UInt16.self, at: at + 4), earliest: bytes.number(Int64.self, at: at + 6),
            latest: bytes.number(Int64.self, at: at + 14)))
        at += Entry.bytes
      }
    }
  }
}

// MARK: Events, and no other records

extension TimeOutline: EventOutline {
  public var tallies: [EventTally]? {
    var counts: [UInt32: Int] = [:]
    for entry in entries where entry.type != Entry.noEvents {
      if entry.type == Entry.otherTypes { return nil }
      counts[UInt32(entry.topic.value) << 16 | UInt32(entry.type), default: 0] += Int(entry.count)
    }
    return counts.sorted { $0.key < $1.key }.map { pair, count in
      EventTally(
        topic: TopicID(UInt16(pair >> 16)), type: types.texts[Int(pair & 0xffff)], count: count)
    }
  }

  public var sources: [[UInt8]]? { allSources.isFull ? nil : allSources.texts }

  public func next(from start: Position, countMax: Int, of question: EventQuestion) -> Range<Position> {
    let isWanted = test(question)
    return next(from: start, countMax: countMax, where: isWanted)
  }

  public func last(before start: Position, countMax: Int, of question: EventQuestion) -> Range<Position> {
    let isWanted = test(question)
    let limit = min(start, end)
    guard limit > .start else { return .start..<(.start) }
    var past = min(Int((limit.value - 1) / Limits.outlineStretch) + 1, firsts.count)
    while past > 0, !entries(of: past - 1).contains(where: isWanted) { past -= 1 }
    var first = past
    while first > 0, (past - first) * Int(Limits.outlineStretch) < countMax,
      entries(of: first - 1).contains(where: isWanted)
    { first -= 1 }
    let end = min(limit, Position(UInt64(past) * Limits.outlineStretch))
    return Position(UInt64(first) * Limits.outlineStretch)..<end
  }

  private func test(_ question: EventQuestion) -> (Entry) -> Bool {
    // A type that is not known may be one of those that are not told apart.
    let type = question.type.map { types.known($0).map { UInt16($0) } ?? Entry.otherTypes }
    return { entry in
      entry.type != Entry.noEvents && (type == nil || entry.type == type)
        && (question.topic == nil || entry.topic == question.topic)
        && entry.earliest <= question.latest && entry.latest >= question.earliest
    }
  }
}
