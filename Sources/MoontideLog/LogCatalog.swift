import MoontideCore

/// Where things lie: the segments, marks by position and time, marks by offset, and where recent readers
/// stopped. Asked once for a read, never once for a record.
///
/// `@unchecked Sendable`: everything mutable is guarded by `gate`.
final class LogCatalog: @unchecked Sendable {
  /// A batch that a seek may begin at.
  struct Mark: Sendable, Equatable {
    var position: UInt64
    var address: LogAddress
    var recorded: Int64
  }

  /// A record whose offset in its partition is known.
  struct OffsetMark: Sendable, Equatable {
    var offset: UInt64
    var position: UInt64
  }

  /// Where a reader stopped: before the record at `position`, within a batch whose header it has; or, without
  /// one, before a batch or at the end of a segment.
  struct Stop: Sendable {
    var position: UInt64
    var address: LogAddress
    var batchOffset: UInt64
    var header: BatchHeader?
  }

  /// Readers that go on alternately; each handler lane is one.
  private static let stopsKept = 64

  private let gate = Gate()
  private let options: LogOptions
  private var segments: [Segment] = []
  private var marks: [Mark] = []
  private var offsetMarks: [UInt32: [OffsetMark]] = [:]
  private var stops: [Stop] = []
  private var nextStop = 0

  init(options: LogOptions) { self.options = options }

  func restore(marks: [Mark], offsetMarks: [UInt32: [OffsetMark]]) {
    gate.lock()
    defer { gate.unlock() }
    self.marks = marks
    self.offsetMarks = offsetMarks
  }

  func add(_ segment: Segment) {
    gate.lock()
    defer { gate.unlock() }
    precondition(segment.number == segments.count, "segment \(segment.number) after \(segments.count)")
    segments.append(segment)
  }

  /// Takes the last segment away: it held nothing.
  func dropLastSegment() {
    gate.lock()
    defer { gate.unlock() }
    segments.removeLast()
  }

  var allSegments: [Segment] {
    gate.lock()
    defer { gate.unlock() }
    return segments
  }

  /// Of a checkpoint: the marks, in order, and those of offsets.
  var allMarks: (marks: [Mark], offsetMarks: [UInt32: [OffsetMark]]) {
    gate.lock()
    defer { gate.unlock() }
    return (marks, offsetMarks)
  }

  func segment(_ number: Int) -> Segment? {
    gate.lock()
    defer { gate.unlock() }
    return number < segments.count ? segments[number] : nil
  }

  /// Notes a batch with records that was written at `address`, and which of its records begin a stretch of
  /// offsets.
  func note(_ header: BatchHeader, at address: LogAddress, offsets: [(partition: UInt32, mark: OffsetMark)]) {
    gate.lock()
    defer { gate.unlock() }
    let isDue: Bool
    if let last = marks.last {
      isDue =
        last.address.segment != address.segment || address.offset - last.address.offset >= options.markBytes
    } else {
      isDue = true
    }
    if isDue {
      marks.append(Mark(position: header.basePosition, address: address, recorded: header.recorded))
    }
    for (partition, mark) in offsets { offsetMarks[partition, default: []].append(mark) }
  }

  /// The nearest batch at or before a position; nil when the log has no records.
  func mark(before position: UInt64) -> Mark? {
    gate.lock()
    defer { gate.unlock() }
    return last { $0.position <= position }
  }

  /// The last marked batch that was recorded before an instant, or the first of all; nil without records.
  func mark(recordedBefore microseconds: Int64) -> Mark? {
    gate.lock()
    defer { gate.unlock() }
    return last { $0.recorded < microseconds } ?? marks.first
  }

  /// The position of the nearest marked record at or before an offset.
  func mark(partition: UInt32, offset: UInt64) -> OffsetMark? {
    gate.lock()
    defer { gate.unlock() }
    guard let list = offsetMarks[partition] else { return nil }
    var low = 0
    var high = list.count
    while low < high {
      let middle = (low + high) / 2
      if list[middle].offset <= offset { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? list[low - 1] : nil
  }

  private func last(where holds: (Mark) -> Bool) -> Mark? {
    var low = 0
    var high = marks.count
    while low < high {
      let middle = (low + high) / 2
      if holds(marks[middle]) { low = middle + 1 } else { high = middle }
    }
    return low > 0 ? marks[low - 1] : nil
  }

  /// Where a reader that asks for `position` stopped before, if it is remembered.
  func stop(at position: UInt64) -> Stop? {
    gate.lock()
    defer { gate.unlock() }
    return stops.first { $0.position == position }
  }

  /// Remembers a stop; several readers at one place share it.
  func remember(_ stop: Stop) {
    gate.lock()
    defer { gate.unlock() }
    if stops.contains(where: { $0.position == stop.position }) { return }
    if stops.count < Self.stopsKept {
      stops.append(stop)
    } else {
      stops[nextStop] = stop
      nextStop = (nextStop + 1) % Self.stopsKept
    }
  }
}
