import MoontideCore

/// Writes a run from entries that come in order; the file is complete and synced after `finish`.
struct RunWriter {
  private static let bufferBytes = 256 * SortedRun.blockBytes

  private let name: String
  private let file: LogFile
  private let log: LogIdentity
  private let expected: Int
  private var count = 0
  private var bytes: [UInt8] = []
  private var written = UInt64(SortedRun.headerBytes)
  private var fences: [UInt64] = []
  private var filter: RunFilter
  /// Of the checksums of the blocks so far.
  private var blocksChecksum: UInt32

  /// - Parameter entries: how many will be added.
  init(_ name: String, in directory: LogDirectory, log: LogIdentity, entries: Int) throws(LogError) {
    self.name = name
    self.log = log
    expected = entries
    // What a crash left under this name belongs to no checkpoint.
    try directory.remove(name)
    file = try directory.open(name, .create)
    filter = RunFilter(entries: entries)
    blocksChecksum = log.checksumSeed
    bytes.reserveCapacity(Self.bufferBytes)
  }

  mutating func add(_ entry: IndexEntry) throws(LogError) {
    if count % SortedRun.entriesPerBlock == 0 { fences.append(entry.hash) }
    let at = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: 16))
    bytes.withUnsafeMutableBytes { raw in
      raw.put(entry.hash, at: at)
      raw.put(entry.word, at: at + 8)
    }
    filter.add(entry.hash)
    count += 1
    if count % SortedRun.entriesPerBlock == 0 {
      closeBlock(SortedRun.entriesPerBlock)
      if bytes.count >= Self.bufferBytes { try flush() }
    }
  }

  private mutating func closeBlock(_ entries: Int) {
    let start = bytes.count / SortedRun.blockBytes * SortedRun.blockBytes
    let trailer = start + SortedRun.entriesPerBlock * 16
    bytes.grow(to: trailer)
    bytes.add(CRC32C.checksum(bytes, start..<trailer, continuing: log.checksumSeed))
    blocksChecksum = CRC32C.checksum(bytes, trailer..<trailer + 4, continuing: blocksChecksum)
    bytes.add(UInt32(entries))
    bytes.add(UInt64(0))
  }

  private mutating func flush() throws(LogError) {
    try file.write(bytes, 0..<bytes.count, at: written)
    written += UInt64(bytes.count)
    bytes.removeAll(keepingCapacity: true)
  }

  mutating func finish() throws(LogError) -> SortedRun {
    precondition(count == expected, "\(count) entries came, \(expected) were announced")
    let rest = count % SortedRun.entriesPerBlock
    if rest > 0 { closeBlock(rest) }
    try flush()
    for fence in fences { bytes.add(fence) }
    var sum = CRC32C.checksum(bytes, 0..<bytes.count, continuing: log.checksumSeed)
    try flush()
    var next = 0
    while next < filter.blocks.count {
      let some = min(filter.blocks.count - next, Self.bufferBytes / RunFilter.blockBytes)
      bytes = filter.encoded(next..<next + some)
      sum = CRC32C.checksum(bytes, 0..<bytes.count, continuing: sum)
      try flush()
      next += some
    }
    let checksums = SortedRun.Checksums(tail: sum, blocks: blocksChecksum)
    bytes = SortedRun.header(log: log, entries: count, checksums)
    try file.write(bytes, 0..<bytes.count, at: 0)
    try file.sync()
    return SortedRun(
      name: name, file: file, count: count, checksums: checksums, fences: fences, filter: filter)
  }
}
