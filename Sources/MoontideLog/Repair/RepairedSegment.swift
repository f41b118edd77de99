import MoontideCore

/// A segment as a repair leaves it.
struct RepairedSegment: Sendable {
  /// Of the file that is written beside, until it takes the place of the old one.
  static let ending = ".repaired"

  enum Piece: Sendable {
    /// Sound batches, as they stand in the old file.
    case kept(Range<UInt64>)
    /// A batch that was put right, or saved in part.
    case batch([UInt8])
    /// Index into the plan's gaps.
    case gap(Int)
  }

  var name: String
  var path: String
  /// Nil for one that takes the place of a missing file.
  var source: LogFile?
  var header: SegmentHeader
  var pieces: [Piece] = []
  /// Its header had to be made anew, or bytes of it are not kept.
  var isChanged = false

  var isNew: Bool { source == nil }

  mutating func keep(_ bytes: Range<UInt64>) {
    if case .kept(let before)? = pieces.last, before.upperBound == bytes.lowerBound {
      pieces[pieces.count - 1] = .kept(before.lowerBound..<bytes.upperBound)
    } else {
      pieces.append(.kept(bytes))
    }
  }

  /// Writes it beside; durable when it returns.
  func write(in directory: LogDirectory, _ gaps: [LogGap], _ log: LogIdentity) throws(LogError) {
    try directory.remove(name + Self.ending)
    let file = try directory.open(name + Self.ending, .create)
    var header = header
    let isPlain = pieces.allSatisfy { piece in
      switch piece {
      case .kept: true
      case .gap: false
      case .batch(let bytes): bytes.number(UInt32.self, at: 84) == BatchHeader.Kind.whole.rawValue
      }
    }
    if !isPlain { header.version = SegmentHeader.newestVersion }
    var at: UInt64 = 0
    func add(_ bytes: [UInt8], _ count: Int) throws(LogError) {
      try file.write(bytes, 0..<count, at: at)
      at += UInt64(count)
    }
    try add(header.encoded(), SegmentHeader.bytes)
    for piece in pieces {
      switch piece {
      case .batch(let bytes): try add(bytes, bytes.count)
      case .gap(let index):
        let bytes = gaps[index].encoded(log)
        try add(bytes, bytes.count)
      case .kept(let range):
        guard let source else { preconditionFailure("a new segment keeps bytes of no file") }
        var next = range.lowerBound
        var buffer = [UInt8](
          repeating: 0, count: Int(min(UInt64(range.count), UInt64(SegmentScanner.windowBytes))))
        while next < range.upperBound {
          let count = Int(min(range.upperBound - next, UInt64(buffer.count)))
          try source.readAll(at: next, count: count, into: &buffer, at: 0)
          try add(buffer, count)
          next += UInt64(count)
        }
      }
    }
    try file.sync()
  }
}
