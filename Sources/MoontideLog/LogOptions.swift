public import MoontideCore

/// Sizes of a log that tests make small; the defaults are those of `Limits`.
public struct LogOptions: Sendable {
  /// A segment is closed before it would exceed this many bytes; at most 512 MiB, because an address in an
  /// index has 30 bits for the place in a segment, and a segment without positions cannot be left.
  public var segmentBytesMax: UInt64
  /// Entries of the index in memory before it is sealed into a run on disk.
  public var indexSealEntries: Int
  /// Bytes between two marks of a segment's sparse index.
  public var markBytes: UInt64
  /// Offsets of a partition between two marks.
  public var offsetMarkInterval: UInt64

  public init(
    segmentBytesMax: UInt64 = Limits.segmentBytesMax, indexSealEntries: Int = Limits.indexSealEntries,
    markBytes: UInt64 = Limits.markBytes, offsetMarkInterval: UInt64 = Limits.offsetMarkInterval
  ) {
    precondition(
      segmentBytesMax <= LogAddress.segmentBytesLimit / 2,
      "a segment has at most \(LogAddress.segmentBytesLimit / 2) bytes, not \(segmentBytesMax)")
    precondition(indexSealEntries > 0, "a run has at least one entry")
    precondition(offsetMarkInterval > 0, "marks are at least one offset apart")
    self.segmentBytesMax = segmentBytesMax
    self.indexSealEntries = indexSealEntries
    self.markBytes = markBytes
    self.offsetMarkInterval = offsetMarkInterval
  }
}
