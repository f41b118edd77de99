import MoontideCore

/// A sealed part of an index: entries sorted by hash and address, in a file that never changes, with its
/// filter and the first hash of each block in memory.
///
/// | at | bytes | |
/// | --- | --- | --- |
/// | 0 | 8 | `MOONTRUN` |
/// | 8 | 4 | format version, 1 |
/// | 12 | 4 | 0 |
/// | 16 | 16 | log identity: high, low |
/// | 32 | 8 | entries |
/// | 40 | 4 | CRC32C of fences and filter |
/// | 44 | 4 | CRC32C of the checksums of all blocks |
/// | 48 | 12 | 0 |
/// | 60 | 4 | CRC32C of the 60 bytes before |
/// | 64 | … | blocks of 4096: 255 entries of hash 8 and word 8, CRC32C of them 4, entries 4, 0 8 |
/// | … | 8 each | fences: the first hash of each block |
/// | … | 32 each | the blocks of the filter |
///
/// Reads are positional (`pread`): mapped pages would count as memory of the process once touched.
final class SortedRun: Sendable {
  /// What tells it from other runs of the same log.
  struct Checksums: Sendable, Equatable {
    /// Of fences and filter.
    var tail: UInt32
    /// Of the checksums of all blocks.
    var blocks: UInt32
  }

  static let magic: UInt64 = 0x4e55_5254_4e4f_4f4d
  static let headerBytes = 64
  static let blockBytes = 4096
  static let entriesPerBlock = 255

  let name: String
  let count: Int
  let checksums: Checksums
  private let file: LogFile
  private let fences: [UInt64]
  let filter: RunFilter

  init(
    name: String, file: LogFile, count: Int, checksums: Checksums, fences: [UInt64], filter: RunFilter
  ) {
    self.name = name
    self.checksums = checksums
    self.file = file
    self.count = count
    self.fences = fences
    self.filter = filter
  }

  var path: String { file.path }
  var blockCount: Int { fences.count }

  var fileBytes: UInt64 { Self.fileBytes(entries: count) }

  private static func fileBytes(entries: Int) -> UInt64 {
    let blocks = (entries + entriesPerBlock - 1) / entriesPerBlock
    let filterBlocks = RunFilter.blockCount(entries: entries)
    return UInt64(headerBytes + blocks * (blockBytes + 8) + filterBlocks * RunFilter.blockBytes)
  }

  static func header(log: LogIdentity, entries: Int, _ checksums: Checksums) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.add(magic)
    bytes.add(UInt32(1))
    bytes.add(UInt32(0))
    bytes.add(log.digest.high)
    bytes.add(log.digest.low)
    bytes.add(UInt64(entries))
    bytes.add(checksums.tail)
    bytes.add(checksums.blocks)
    bytes.grow(to: 60)
    bytes.add(CRC32C.checksum(bytes, 0..<60))
    return bytes
  }

  /// Opens a run; nil when the file is not the sound run of this log that the checkpoint names (then it is
  /// rebuilt): one of the other index, or an older one of that name, would find nothing and so let repeats
  /// in.
  static func open(_ run: LogCheckpoint.Run, in directory: LogDirectory, log: LogIdentity)
    throws(LogError) -> SortedRun?
  {
    let name = run.name
    let entries = Int(run.entries)
    guard try directory.status(name) != nil else { return nil }
    let file = try directory.open(name, .read)
    let blocks = (entries + entriesPerBlock - 1) / entriesPerBlock
    let filterBlocks = RunFilter.blockCount(entries: entries)
    guard try file.size() == fileBytes(entries: entries) else { return nil }
    var head = [UInt8](repeating: 0, count: headerBytes)
    try file.readAll(at: 0, count: headerBytes, into: &head, at: 0)
    guard head == header(log: log, entries: entries, run.checksums) else { return nil }

    var bytes = [UInt8](repeating: 0, count: max(blocks * 8, 1 << 20))
    var offset = UInt64(headerBytes + blocks * blockBytes)
    try file.readAll(at: offset, count: blocks * 8, into: &bytes, at: 0)
    var sum = CRC32C.checksum(bytes, 0..<blocks * 8, continuing: log.checksumSeed)
    let fences = (0..<blocks).map { bytes.number(UInt64.self, at: $0 * 8) }
    offset += UInt64(blocks * 8)
    var filter = RunFilter(entries: entries)
    var next = 0
    while next < filterBlocks {
      let some = min(filterBlocks - next, (1 << 20) / RunFilter.blockBytes)
      try file.readAll(at: offset, count: some * RunFilter.blockBytes, into: &bytes, at: 0)
      sum = CRC32C.checksum(bytes, 0..<some * RunFilter.blockBytes, continuing: sum)
      filter.decode(bytes, count: some, atBlock: next)
      offset += UInt64(some * RunFilter.blockBytes)
      next += some
    }
    guard sum == run.checksums.tail else { return nil }
    return SortedRun(
      name: name, file: file, count: entries, checksums: run.checksums, fences: fences, filter: filter)
  }

  /// Adds the addresses of all entries with this hash, oldest first. `scratch` is the caller's buffer.
  func find(_ hash: IndexHash, log: LogIdentity, scratch: inout [UInt8], into found: inout [LogAddress])
    throws(LogError)
  {
    // The last block that begins before the hash may hold its first entries.
    var low = 0
    var high = fences.count
    while low < high {
      let middle = (low + high) / 2
      if fences[middle] < hash.value { low = middle + 1 } else { high = middle }
    }
    var block = max(low - 1, 0)
    while block < fences.count, fences[block] <= hash.value {
      let entries = try read(block, blocks: 1, log: log, into: &scratch)
      for index in 0..<entries {
        let entry = Self.entry(scratch, index)
        if entry.hash > hash.value { return }
        if entry.matches(hash) { found.append(entry.address) }
      }
      block += 1
    }
  }

  /// Whether several blocks begin with this hash: then `range` tells how many entries it has without reading
  /// all of them.
  func isLong(_ hash: IndexHash) -> Bool {
    let first = firstBlock { $0 >= hash.value }
    return first + 1 < fences.count && fences[first + 1] == hash.value
  }

  /// The first block whose fence is so, where those of all later ones are; the number of blocks when none is.
  private func firstBlock(_ isPast: (UInt64) -> Bool) -> Int {
    var low = 0
    var high = fences.count
    while low < high {
      let middle = (low + high) / 2
      if isPast(fences[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The numbers of all entries with this hash: they lie one behind the other.
  func range(of hash: IndexHash, log: LogIdentity, scratch: inout [UInt8]) throws(LogError) -> Range<Int> {
    // Entries of one hash are in the order of their second word, which begins with the check.
    let first = try number(log, &scratch, hash.value) { $0.word >> 48 >= UInt64(hash.check) }
    let end = try number(log, &scratch, hash.value) { $0.word >> 48 > UInt64(hash.check) }
    return first..<end
  }

  /// The number of the first entry of that first word or a greater one that is so, where all later ones of
  /// that word are.
  private func number(
    _ log: LogIdentity, _ scratch: inout [UInt8], _ hash: UInt64, _ isLater: (IndexEntry) -> Bool
  ) throws(LogError) -> Int {
    func isPast(_ index: Int) -> Bool {
      let entry = Self.entry(scratch, index)
      return entry.hash > hash || (entry.hash == hash && isLater(entry))
    }
    var low = firstBlock { $0 >= hash }
    var high = firstBlock { $0 > hash }
    while low < high {
      let middle = (low + high) / 2
      try read(middle, blocks: 1, log: log, into: &scratch)
      if isPast(0) { high = middle } else { low = middle + 1 }
    }
    // The block before is the last that begins before it.
    guard low > 0 else { return 0 }
    var first = 0
    var end = try read(low - 1, blocks: 1, log: log, into: &scratch)
    while first < end {
      let middle = (first + end) / 2
      if isPast(middle) { end = middle } else { first = middle + 1 }
    }
    return (low - 1) * Self.entriesPerBlock + first
  }

  /// Adds the addresses of entries by their numbers.
  func addresses(
    _ numbers: Range<Int>, log: LogIdentity, scratch: inout [UInt8], into found: inout [LogAddress]
  ) throws(LogError) {
    var next = numbers.lowerBound
    while next < numbers.upperBound {
      let block = next / Self.entriesPerBlock
      let start = block * Self.entriesPerBlock
      let entries = try read(block, blocks: 1, log: log, into: &scratch)
      precondition(next < start + entries, "entry \(next) of a block that ends at \(start + entries)")
      let end = min(numbers.upperBound, start + entries)
      for number in next..<end { found.append(Self.entry(scratch, number - start).address) }
      next = end
    }
  }

  /// Reads and proves whole blocks into `bytes` at 0, as they lie in the file, and says how many entries
  /// they hold.
  @discardableResult
  func read(_ block: Int, blocks: Int, log: LogIdentity, into bytes: inout [UInt8]) throws(LogError) -> Int {
    bytes.grow(to: blocks * Self.blockBytes)
    let offset = UInt64(Self.headerBytes + block * Self.blockBytes)
    try file.readAll(at: offset, count: blocks * Self.blockBytes, into: &bytes, at: 0)
    var entries = 0
    for index in 0..<blocks {
      let start = index * Self.blockBytes
      let trailer = start + Self.entriesPerBlock * 16
      let expected = min(Self.entriesPerBlock, count - (block + index) * Self.entriesPerBlock)
      guard
        bytes.number(UInt32.self, at: trailer)
          == CRC32C.checksum(bytes, start..<trailer, continuing: log.checksumSeed),
        Int(bytes.number(UInt32.self, at: trailer + 4)) == expected
      else {
        throw file.damaged(
          at: offset + UInt64(start), "a block of an index is not sound; reopen to rebuild it")
      }
      entries += expected
    }
    return entries
  }

  /// Entry `index` of the blocks at the start of `bytes`.
  @inline(__always)
  static func entry(_ bytes: [UInt8], _ index: Int) -> IndexEntry {
    let at = index / entriesPerBlock * blockBytes + index % entriesPerBlock * 16
    return IndexEntry(
      hash: bytes.number(UInt64.self, at: at), word: bytes.number(UInt64.self, at: at + 8))
  }
}
