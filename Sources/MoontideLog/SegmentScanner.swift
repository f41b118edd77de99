import MoontideCore

/// Walks one segment batch by batch and checks every byte: for recovery, rebuilding and verifying.
struct SegmentScanner {
  /// What one window holds at least: many batches in one read.
  static let windowBytes = 4 << 20

  enum Found {
    /// A sound batch at `offset` of the file; its first byte is `buffer[start]`.
    case batch(BatchHeader, offset: UInt64, start: Int)
    case bad(offset: UInt64, reason: String)
    case end
  }

  let file: LogFile
  let log: LogIdentity
  /// The end of what is looked at.
  let end: UInt64
  /// Where the next batch is expected.
  var offset: UInt64
  private(set) var buffer: [UInt8] = []
  private var windowStart: UInt64 = 0
  private var windowCount = 0

  init(file: LogFile, log: LogIdentity, from offset: UInt64, to end: UInt64) {
    self.file = file
    self.log = log
    self.offset = offset
    self.end = end
  }

  /// The next batch; after a bad one, call `resynchronise` or stop.
  mutating func next() throws(LogError) -> Found {
    let left = end - min(offset, end)
    if left == 0 { return .end }
    guard left >= BatchHeader.bytes else {
      return .bad(offset: offset, reason: "\(left) bytes are left, too few for the header of a batch")
    }
    var start = try fill(BatchHeader.bytes)
    guard let header = BatchHeader.decode(buffer, at: start, log: log) else {
      return .bad(offset: offset, reason: "the header of a batch is not sound")
    }
    guard UInt64(header.totalBytes) <= left else {
      return .bad(offset: offset, reason: "a batch of \(header.totalBytes) bytes where \(left) are left")
    }
    start = try fill(header.totalBytes)
    if let problem = BatchCheck.problem(buffer, at: start, header, log: log) {
      return .bad(offset: offset + UInt64(problem.at), reason: problem.reason)
    }
    let found = Found.batch(header, offset: offset, start: start)
    offset += UInt64(header.totalBytes)
    return found
  }

  /// The header at `offset`, if it is sound: after `resynchronise`.
  mutating func header() throws(LogError) -> BatchHeader? {
    guard end >= offset, end - offset >= UInt64(BatchHeader.bytes) else { return nil }
    return BatchHeader.decode(buffer, at: try fill(BatchHeader.bytes), log: log)
  }

  /// After a bad place in the last segment, where batch `batch` was next: whether nothing says that what lies
  /// there had been durable. Moves on to the end, or to what says so.
  mutating func isTorn(next batch: UInt64, witness: LogWitness?) throws(LogError) -> Bool {
    if let witness, witness.batch > batch { return false }
    while try resynchronise() {
      if let header = try header(), header.durableBatches > batch { return false }
    }
    return true
  }

  /// Moves on to the next sound batch header behind `offset`; false when there is none.
  mutating func resynchronise() throws(LogError) -> Bool {
    offset += 1
    while end >= offset, end - offset >= UInt64(BatchHeader.bytes) {
      let start = try fill(BatchHeader.bytes)
      let last = windowCount - BatchHeader.bytes
      var at = start
      while at <= last {
        if buffer.number(UInt32.self, at: at) == BatchHeader.magic,
          BatchHeader.decode(buffer, at: at, log: log) != nil
        {
          offset += UInt64(at - start)
          return true
        }
        at += 1
      }
      offset += UInt64(at - start)
    }
    return false
  }

  /// Makes `count` bytes at `offset` present and says where they begin in the buffer.
  private mutating func fill(_ count: Int) throws(LogError) -> Int {
    if offset >= windowStart, offset + UInt64(count) <= windowStart + UInt64(windowCount) {
      return Int(offset - windowStart)
    }
    let want = Int(min(end - offset, UInt64(max(count, Self.windowBytes))))
    buffer.grow(to: want + Limits.parserPaddingBytes)
    windowCount = 0
    try file.readAll(at: offset, count: want, into: &buffer, at: 0)
    windowStart = offset
    windowCount = want
    return 0
  }
}
