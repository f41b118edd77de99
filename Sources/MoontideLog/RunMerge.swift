import MoontideCore

/// Merges runs into one.
enum RunMerge {
  static func merge(_ runs: [SortedRun], as name: String, in directory: LogDirectory, log: LogIdentity)
    throws(LogError) -> SortedRun
  {
    var writer = try RunWriter(
      name, in: directory, log: log, entries: runs.reduce(0) { $0 + $1.count })
    var streams: [RunStream] = []
    for run in runs {
      var stream = RunStream(run: run)
      if try stream.advance(log) { streams.append(stream) }
    }
    while !streams.isEmpty {
      var least = 0
      for index in 1..<max(1, streams.count) where streams[index].entry < streams[least].entry {
        least = index
      }
      try writer.add(streams[least].entry)
      if try !streams[least].advance(log) { streams.remove(at: least) }
    }
    return try writer.finish()
  }

  /// Which runs to merge next: `Limits.indexMergeWidth` of one tier, where a tier is four times as large
  /// as the one below; nil when there are not that many.
  static func choice(_ counts: [Int], sealEntries: Int) -> [Int]? {
    var tiers: [Int: [Int]] = [:]
    for (index, count) in counts.enumerated() {
      var tier = 0
      var bound = sealEntries * 2
      while count >= bound {
        tier += 1
        bound *= Limits.indexMergeWidth
      }
      tiers[tier, default: []].append(index)
      if let members = tiers[tier], members.count == Limits.indexMergeWidth { return members }
    }
    return nil
  }
}

/// The entries of a run in order, a few blocks at a time.
private struct RunStream {
  private static let blocksPerRead = 64

  let run: SortedRun
  private(set) var entry = IndexEntry(hash: 0, word: 0)
  private var bytes: [UInt8] = []
  private var index = 0
  private var available = 0
  private var nextBlock = 0

  init(run: SortedRun) { self.run = run }

  /// Moves to the next entry; false at the end.
  mutating func advance(_ log: LogIdentity) throws(LogError) -> Bool {
    if index == available {
      guard nextBlock < run.blockCount else { return false }
      let blocks = min(Self.blocksPerRead, run.blockCount - nextBlock)
      available = try run.read(nextBlock, blocks: blocks, log: log, into: &bytes)
      nextBlock += blocks
      index = 0
    }
    entry = SortedRun.entry(bytes, index)
    index += 1
    return true
  }
}
