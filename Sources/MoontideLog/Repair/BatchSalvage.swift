import MoontideCore

/// What is sound of a batch that is not, or was before one bit of it flipped.
struct BatchSalvage {
  /// A record that can be kept.
  struct Found {
    var index: Int
    /// In `bytes`.
    var range: Range<Int>
  }

  /// The batch from its header on, single bits put right, as far as it is there.
  private(set) var bytes: [UInt8]
  private(set) var records: [Found] = []
  /// Bytes, from the batch's first, whose bit was put right.
  private(set) var corrected: [Int] = []
  /// Nothing of the batch is lost any more.
  private(set) var isWhole = false
  /// What the damaged records seem to be, by index: their lengths fit.
  private(set) var presumed: [Int: LogRepair.LostRecord] = [:]
  private let log: LogIdentity
  private let header: BatchHeader
  /// Records that look damaged one bit at most are tried up to this many, each costs milliseconds.
  private var triesLeft = 64

  /// - Parameters:
  ///   - bytes: from where the header of the batch is, or was.
  ///   - header: what it said.
  ///   - isHeaderKnown: false when `header` was put together from what lies around; then its body lengths and
  ///     checksum say nothing.
  init(_ bytes: [UInt8], _ header: BatchHeader, log: LogIdentity, isHeaderKnown: Bool) {
    self.bytes = bytes
    self.header = header
    self.log = log
    walk(from: isHeaderKnown ? header.recordsStart : BatchHeader.bytes, trusted: isHeaderKnown)
    if isHeaderKnown { judgePreamble() }
  }

  private func isSound(_ bytes: [UInt8], _ at: Int, index: Int?) -> Int? {
    guard let total = RecordLayout.totalBytes(bytes, at: at, end: self.bytes.count),
      bytes.number(UInt32.self, at: at + 4) == UInt32(at),
      RecordKind(rawValue: bytes[at + 10]) != nil,
      index == nil || bytes.number(UInt16.self, at: at + 8) == UInt16(index!),
      RecordLayout.isSound(bytes, at: at, total: total, log: log)
    else { return nil }
    return total
  }

  /// Takes record after record; behind a bad one goes on at the next that says it is of this batch.
  private mutating func walk(from start: Int, trusted: Bool) {
    var at = start
    var next = 0
    var isExpected = trusted
    while next < header.recordsHeld {
      if isExpected, let total = isSound(bytes, at, index: next) ?? correct(at, index: next) {
        records.append(Found(index: next, range: at..<at + total))
        at += total
        next += 1
        continue
      }
      guard let (place, index) = following(at, from: next) else { break }
      if isExpected { presume(at, until: place, next, before: index) }
      at = place
      next = index
      isExpected = true
    }
    if isExpected, next == header.recordsHeld - 1 { presume(at, until: bytes.count, next, before: next + 1) }
  }

  /// The next place behind `at` where a sound record of this batch begins, from index `next` on.
  private func following(_ at: Int, from next: Int) -> (place: Int, index: Int)? {
    var place = at
    while place + RecordLayout.headerBytes <= bytes.count {
      if bytes.number(UInt32.self, at: place + 4) == UInt32(place) {
        let index = Int(bytes.number(UInt16.self, at: place + 8))
        if index >= next, index < header.recordsHeld, isSound(bytes, place, index: index) != nil {
          return (place, index)
        }
      }
      place += 1
    }
    return nil
  }

  /// The length of the record at `at` after one bit of it was put right; nil when that does not help.
  private mutating func correct(_ at: Int, index: Int) -> Int? {
    guard triesLeft > 0, at + RecordLayout.headerBytes <= bytes.count else { return nil }
    triesLeft -= 1
    var copy = bytes
    var found: Int?
    let header = at..<at + RecordLayout.headerBytes
    if let bit = SingleBit.correct(
      &copy, header,
      until: {
        found = isSound($0, at, index: index)
        return found != nil
      })
    {
      corrected.append(at + bit / 8)
      bytes = copy
      return found
    }
    guard let total = RecordLayout.totalBytes(bytes, at: at, end: bytes.count),
      total <= Limits.repairRecordBytesMax
    else { return nil }
    guard
      let bit = SingleBit.correct(
        &copy, header.upperBound..<at + total, until: { isSound($0, at, index: index) != nil })
    else { return nil }
    corrected.append(header.upperBound + bit / 8)
    bytes = copy
    return total
  }

  /// Notes what a lost record seems to be when it takes up just the room between its neighbours.
  private mutating func presume(_ at: Int, until end: Int, _ index: Int, before next: Int) {
    guard next == index + 1, let total = RecordLayout.totalBytes(bytes, at: at, end: bytes.count),
      at + total == end,
      let record = bytes.withUnsafeBytes({ RecordLayout.decode($0, at, 0, 0) })
    else { return }
    func text(_ part: ByteRange) -> String {
      let raw = Array(bytes[part.indices])
      let text = String(decoding: raw, as: UTF8.self)
      return Array(text.utf8) == raw ? text : ""
    }
    presumed[index] = LogRepair.LostRecord(
      position: Position(header.basePosition + UInt64(index)), id: text(record.envelope.id),
      type: text(record.envelope.type), key: text(record.envelope.key))
  }

  /// With all records there the batch's own checksum proves the preamble, or what it was before one bit of
  /// it, or of the header's rest, flipped.
  private mutating func judgePreamble() {
    guard records.count == header.recordsHeld, bytes.count >= header.totalBytes,
      (records.last?.range.upperBound ?? header.recordsStart) == header.totalBytes
    else { return }
    func holds(_ bytes: [UInt8]) -> Bool {
      var sum = CRC32C.checksum(bytes, BatchHeader.bytes..<header.recordsStart, continuing: log.checksumSeed)
      for record in records {
        let at = record.range.lowerBound
        sum = CRC32C.checksum(bytes, at..<at + 4, continuing: sum)
      }
      return sum == header.bodyChecksum
    }
    isWhole = holds(bytes)
    guard !isWhole, header.preambleBytes <= Limits.repairRecordBytesMax else { return }
    var copy = bytes
    if let bit = SingleBit.correct(&copy, BatchHeader.bytes..<header.recordsStart, until: holds) {
      bytes = copy
      corrected.append(BatchHeader.bytes + bit / 8)
      isWhole = true
    }
  }

  /// The producer, as far as the preamble can be read without being proven; none for a batch with topics.
  var producer: ProducerID? {
    let count = Int(header.producerBytes)
    guard header.topics == 0, (1...512).contains(count), BatchHeader.bytes + count <= bytes.count,
      Int(header.preambleBytes) == count
    else { return nil }
    let raw = bytes[BatchHeader.bytes..<BatchHeader.bytes + count]
    guard raw.allSatisfy({ (0x20..<0x7f).contains($0) }) else { return nil }
    return ProducerID(String(decoding: raw, as: UTF8.self))
  }
}
