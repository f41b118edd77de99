public import MoontideCore

/// Where in a log events of which time lie: for every stretch of `Limits.outlineStretch` positions the topics
/// that have records there, and the earliest and latest time of their events. By it a fold of what had
/// happened by some time reads the stretches alone that can have a part in it, and a search for the records
/// of one topic those that have any. Derived: it may be deleted, and is made again by reading the log once.
///
/// Encoded: magic `MOONTOUT` 8, version 4, CRC32C of the rest 4, identity of the log 16, the position up to
/// which it reaches 8, the fingerprint before it 16, stretches 8; then for each stretch the number of its
/// topics 2, and for each topic its number 2, earliest 8 and latest 8, microseconds since 1970. All
/// little-endian.
public struct TimeOutline: Sendable, Equatable {
  /// One topic in one stretch.
  public struct Entry: Sendable, Equatable {
    public var topic: TopicID
    /// Of its events; `Int64.min` when it has records of other kinds, so that nobody passes them by.
    public var earliest: Int64
    /// Of its events; `Int64.min` when it has none.
    public var latest: Int64
  }

  private static let magic: UInt64 = 0x5455_4f54_4e4f_4f4d
  private static let version: UInt32 = 1
  private static let headerBytes = 56

  /// What lies before it is outlined.
  public private(set) var end = Position.start
  private var entries: [Entry] = []
  /// The first entry of each stretch.
  private var firsts: [Int] = []

  public init() {}

  /// Takes in what the log has behind `end`, one read of it.
  /// - Parameter batch: a buffer to use.
  /// - Returns: false when there was nothing more.
  public mutating func extend(by log: LogReader, using batch: RecordBatch) throws(LogError) -> Bool {
    let next = try log.read(
      from: end, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesDeepMax, into: batch)
    for record in batch.records { add(record) }
    guard next > end else { return false }
    end = next
    return true
  }

  private mutating func add(_ record: Record) {
    let stretch = Int(record.position.value / Limits.outlineStretch)
    precondition(stretch >= firsts.count - 1, "#\(record.position.value) after stretch \(firsts.count - 1)")
    while firsts.count <= stretch { firsts.append(entries.count) }
    let isEvent = record.envelope.kind == .event
    let time = record.envelope.timeMicroseconds
    let earliest = isEvent ? time : .min
    let latest = isEvent ? time : .min
    var index = entries.count - 1
    while index >= firsts[stretch] {
      if entries[index].topic == record.topic {
        entries[index].earliest = min(entries[index].earliest, earliest)
        entries[index].latest = max(entries[index].latest, latest)
        return
      }
      index -= 1
    }
    entries.append(Entry(topic: record.topic, earliest: earliest, latest: latest))
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
    func holds(_ stretch: Int) -> Bool {
      let last = stretch + 1 < firsts.count ? firsts[stretch + 1] : entries.count
      return entries[firsts[stretch]..<last].contains(where: isWanted)
    }
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
    firsts.indices.count { stretch in
      let last = stretch + 1 < firsts.count ? firsts[stretch + 1] : entries.count
      return entries[firsts[stretch]..<last].contains(where: isWanted)
    }
  }

  // MARK: As bytes

  /// - Parameters:
  ///   - log: the log it is of; it reaches at least to `end`.
  public func encoded(for log: LogReader) throws(LogError) -> [UInt8] {
    let fingerprint = try log.fingerprint(before: end) ?? .zero
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headerBytes + firsts.count * 2 + entries.count * 18)
    bytes.add(Self.magic)
    bytes.add(Self.version)
    bytes.add(UInt32(0))
    bytes.add(log.digest.high)
    bytes.add(log.digest.low)
    bytes.add(end.value)
    bytes.add(fingerprint.high)
    bytes.add(fingerprint.low)
    bytes.add(UInt64(firsts.count))
    for (stretch, first) in firsts.enumerated() {
      let last = stretch + 1 < firsts.count ? firsts[stretch + 1] : entries.count
      bytes.add(UInt16(last - first))
      for entry in entries[first..<last] {
        bytes.add(entry.topic.value)
        bytes.add(entry.earliest)
        bytes.add(entry.latest)
      }
    }
    bytes.put(CRC32C.checksum(bytes, 16..<bytes.count), at: 12)
    return bytes
  }

  /// Nil when the bytes are not sound, of another version or another log, or of a history that this log does
  /// not have.
  public init?(_ bytes: [UInt8], of log: LogReader) throws(LogError) {
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
    firsts.reserveCapacity(stretches)
    for _ in 0..<stretches {
      firsts.append(entries.count)
      let topics = bytes.number(UInt16.self, at: at)
      at += 2
      for _ in 0..<topics {
        entries.append(
          Entry(
            topic: TopicID(bytes.number(UInt16.self, at: at)),
            earliest: bytes.number(Int64.self, at: at + 2), latest: bytes.number(Int64.self, at: at + 10)))
        at += 18
      }
    }
  }
}
