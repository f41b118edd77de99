import MoontideCore

/// The end of the last segment of which no batch says that it was durable: what a process wrote that is gone.
///
/// It is in the page cache at least, but a sync alone would not do: when that process's own sync failed, the
/// system has marked the pages clean, and a second sync answers well without writing them (Linux,
/// `fsync(2)`; "fsyncgate"). Written again they are dirty, and the sync is honest.
struct UnprovenTail {
  /// Batches since the last one that is proven, by number.
  private var starts: [(batch: UInt64, offset: UInt64)] = []
  private var provenBatches: UInt64 = 0
  /// A sound batch at `offset` of the segment, in the order of the log.
  mutating func take(_ header: BatchHeader, at offset: UInt64) {
    provenBatches = max(provenBatches, header.durableBatches)
    starts.append((header.batch, offset))
    if starts.count >= 1_024 { starts.removeAll { $0.batch < provenBatches } }
  }

  /// Writes the unproven batches before `end` again, byte for byte, and syncs.
  mutating func makeDurable(_ segment: Segment, before end: UInt64) throws(LogError) {
    var at = starts.first { $0.batch >= provenBatches }?.offset ?? end
    var bytes = [UInt8](repeating: 0, count: Int(min(end - at, UInt64(SegmentScanner.windowBytes))))
    while at < end {
      let count = Int(min(end - at, UInt64(bytes.count)))
      try segment.file.readAll(at: at, count: count, into: &bytes, at: 0)
      try segment.file.write(bytes, 0..<count, at: at)
      at += UInt64(count)
    }
    try segment.file.sync()
    starts.removeAll()
  }
}
