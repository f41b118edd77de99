import MoontideCore
import MoontideLog

/// A log as it was at a past moment: nothing behind its end, no event that had not happened by then. What has
/// no part in it is passed by unread, as far as an outline tells. For one fold, or one scan of `sys.events`.
///
/// `@unchecked Sendable`: one thread makes it and uses it; the seam asks for more than a fold needs.
final class MomentLog: EventLog, @unchecked Sendable {
  let durableEnd: Position
  /// Which moments a fold of what was read stands for.
  private(set) var span: FoldSpan
  private let log: LogReader
  private let outline: TimeOutline?
  private let view: PastView
  private var until: Int64 { view.latest }
  /// By the log's number of a topic: whether its events are wanted.
  private let listens: [Bool]
  /// Where a scan of one key goes on.
  private var stop: (topic: TopicID, key: [UInt8], version: Int, position: Position)?

  /// - Parameters:
  ///   - outline: of `log`, at least up to the end of the view; nil: everything is read.
  ///   - span: of the fold that is gone on with.
  ///   - isWanted: whether events of a topic count.
  init(
    _ log: LogReader, _ view: PastView, outline: TimeOutline?, span: FoldSpan = FoldSpan(),
    topics isWanted: (TopicName) -> Bool = { _ in true }
  ) {
    self.log = log
    self.outline = outline
    self.span = span
    self.view = view
    durableEnd = min(view.end, log.durableEnd)
    listens = log.topics().sorted { $0.id < $1.id }.map { isWanted($0.name) }
  }

  /// Whether nothing from a position on has a part in the view.
  func isPast(_ position: Position) -> Bool {
    if position >= durableEnd { return true }
    guard let outline, until < .max else { return false }
    return !outline.contains(from: position, before: durableEnd) { isWanted($0) }
  }

  /// Whether a fold stands for the times of at least so many records: one that left out nothing always
  /// does. By stretches, so that it is about right.
  func isWide(_ span: FoldSpan, records: UInt64) -> Bool {
    guard span.leftOut > 0 else { return true }
    guard let outline else { return false }
    let stretches = outline.stretches { listens[Int($0.topic.value)] && span.stands(for: $0.earliest) }
    return UInt64(stretches) * Limits.outlineStretch >= records
  }

  private func isWanted(_ entry: TimeOutline.Entry) -> Bool {
    listens[Int(entry.topic.value)] && entry.earliest <= until
  }

  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    guard start < durableEnd else {
      return min(start, try log.read(from: log.durableEnd, records: 1, bytes: 1, into: batch))
    }
    var (first, count) = (start, records)
    if let outline, until < .max {
      let next = outline.next(from: start, countMax: records) { entry in
        if isWanted(entry) { return true }
        if listens[Int(entry.topic.value)] { span.leaveOut(entry.earliest) }
        return false
      }
      span.passBy(min(next.lowerBound, durableEnd).value - start.value)
      if next.isEmpty || next.lowerBound >= durableEnd {
        _ = try log.read(from: log.durableEnd, records: 1, bytes: 1, into: batch)
        return durableEnd
      }
      first = next.lowerBound
      count = min(count, Int(next.upperBound.value - first.value))
    }
    let next = try log.read(from: first, records: count, bytes: bytes, into: batch)
    narrow(batch)
    return min(next, durableEnd)
  }

  /// Takes out what lies behind the end, and events that had not happened.
  private func narrow(_ batch: RecordBatch) {
    var kept = 0
    for index in batch.records.indices {
      let record = batch.records[index]
      if record.position >= durableEnd { break }
      if record.envelope.kind == .event, listens[Int(record.topic.value)] {
        let time = record.envelope.timeMicroseconds
        if time > until {
          span.leaveOut(time)
          span.passBy(1)
          continue
        }
        span.latest = max(span.latest, time)
      }
      if kept < index { batch.records[kept] = record }
      kept += 1
    }
    batch.records.removeSubrange(kept...)
  }

  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    let part = ByteRange(start: 0, count: key.count)
    let kept = RecordBatch()
    var (position, found) = (Position.start, 0)
    if let stop, stop.topic == topic, stop.key == key, stop.version <= version {
      (position, found) = (stop.position, stop.version)
    }
    let piece = RecordBatch()
    reading: while position < durableEnd, kept.records.count < records {
      if let outline {
        position = outline.next(from: position) { $0.topic == topic && $0.earliest <= until }.lowerBound
      }
      guard position < durableEnd else { break }
      let next = try log.read(
        from: position, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: piece)
      for record in piece.records where record.topic == topic && view.counts(record) {
        guard piece.bytes.equals(record.envelope.key, key, part) else { continue }
        if found >= version { kept.append(record, from: piece.bytes) }
        found += 1
        if kept.records.count == records || kept.bytes.count >= max(1, bytes) {
          position = record.position.next
          break reading
        }
      }
      if next == position { break }
      position = next
    }
    stop = (topic, key, found, position)
    batch.removeAll()
    for record in kept.records { batch.append(record, from: kept.bytes) }
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    return version + kept.records.count
  }

  /// Of the whole log; a place behind the end is nobody's.
  func position(of place: LogPlace) throws(LogError) -> Position? {
    guard let position = try log.position(of: place), position < durableEnd else { return nil }
    return position
  }

  func topics() -> [TopicDescription] { log.topics() }

  func sequenceEnd(of producer: ProducerID) -> UInt64? { log.sequenceEnd(of: producer) }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome { try log.append(request) }

  func flush() throws(LogError) -> Position { durableEnd }

  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }

  /// Never blocks: nothing comes.
  func wait(past position: Position, for timeout: Duration) -> Bool { durableEnd > position }
}
