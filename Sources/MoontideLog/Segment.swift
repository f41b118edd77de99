import MoontideCore
import Synchronization

/// One segment of the log. Its file and numbers never change; its end grows while it is the last one.
final class Segment: Sendable {
  let number: Int
  let basePosition: UInt64
  let firstBatch: UInt64
  let file: LogFile
  /// Whether a repair has written it anew.
  let isRepaired: Bool
  /// Where the written batches end.
  let end: Atomic<UInt64>

  init(number: Int, header: SegmentHeader, file: LogFile, end: UInt64) {
    self.number = number
    basePosition = header.basePosition
    firstBatch = header.firstBatch
    self.file = file
    isRepaired = header.version > 1
    self.end = Atomic(end)
  }

  var writtenEnd: UInt64 { end.load(ordering: .acquiring) }
}
