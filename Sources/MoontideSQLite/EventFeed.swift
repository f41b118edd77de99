import MoontideCore

/// Hands out the records that a scan has to look at, a batch at a time. Small batches first, so that `limit
/// 1` is quick.
protocol EventFeed: AnyObject {
  /// Fills `batch` (emptied first) with the next records, in the order of the scan; false when there are no
  /// more. True with an empty batch: go on.
  func fill(_ batch: RecordBatch) throws(LogError) -> Bool
}

/// How many records are read at once.
private struct Pace {
  private(set) var records = 64
  mutating func grow() { records = min(records * 4, Limits.readRecordsMax) }
}

/// In order of position.
final class ForwardFeed: EventFeed {
  private let log: any EventLog
  private let scan: EventScan
  private let outline: (any EventOutline)?
  private var position: Position
  private var pace = Pace()

  /// - Parameter outline: to pass by what has no part in the scan.
  init(_ log: any EventLog, _ scan: EventScan, _ outline: (any EventOutline)?) {
    self.log = log
    self.scan = scan
    self.outline = outline
    position = scan.start
  }

  func fill(_ batch: RecordBatch) throws(LogError) -> Bool {
    batch.removeAll()
    var records = pace.records
    if let outline, position < outline.end {
      let wanted = outline.next(from: position, countMax: records, of: scan.question)
      position = wanted.isEmpty ? max(position, outline.end) : wanted.lowerBound
      if !wanted.isEmpty { records = min(records, Int(wanted.upperBound.value - position.value)) }
    }
    guard position < scan.end else { return false }
    let before = position
    records = min(records, Int(clamping: scan.end.value - position.value))
    position = try log.read(from: before, records: records, bytes: Limits.readBytesMax, into: batch)
    pace.grow()
    return position > before
  }
}

/// The last position first.
final class BackwardFeed: EventFeed {
  private let log: any EventLog
  private let scan: EventScan
  private let outline: (any EventOutline)?
  /// What lies at or after it was handed out.
  private var end: Position
  private var pace = Pace()
  private let piece = RecordBatch()

  /// - Parameter outline: to pass by what has no part in the scan.
  init(_ log: any EventLog, _ scan: EventScan, _ outline: (any EventOutline)?) {
    self.log = log
    self.scan = scan
    self.outline = outline
    end = scan.end
  }

  func fill(_ batch: RecordBatch) throws(LogError) -> Bool {
    batch.removeAll()
    let records = UInt64(pace.records)
    var start = max(scan.start, Position(end.value - min(end.value, records)))
    if let outline, end > scan.start {
      if start < outline.end, outline.end < end {
        // What is not outlined yet is read by itself.
        start = outline.end
      } else if end <= outline.end {
        let wanted = outline.last(before: end, countMax: Int(records), of: scan.question)
        guard !wanted.isEmpty else { return false }
        end = wanted.upperBound
        start = max(scan.start, wanted.lowerBound, Position(end.value - min(end.value, records)))
      }
    }
    guard start < end else { return false }
    var position = start
    while position < end {
      let before = position
      position = try log.read(
        from: before, records: Int(end.value - position.value), bytes: Limits.readBytesMax, into: piece)
      for record in piece.records where record.position < end { batch.append(record, from: piece.bytes) }
      if position == before { break }
    }
    batch.records.reverse()
    end = start
    pace.grow()
    return true
  }
}

/// The events of one key, of one topic or of several, in order of position.
final class KeyFeed: EventFeed {
  private struct Stream {
    let topic: TopicID
    /// The next event of it to read.
    var version = 0
    let batch = RecordBatch()
    var index = 0
    var pace = Pace()
    var position: Position { batch.records[index].position }
  }

  private let log: any EventLog
  private let key: [UInt8]
  private var streams: [Stream]
  private var merged = Pace()

  init(_ log: any EventLog, _ key: [UInt8], _ topics: [TopicID]) {
    self.log = log
    self.key = key
    streams = topics.map { Stream(topic: $0) }
  }

  func fill(_ batch: RecordBatch) throws(LogError) -> Bool {
    batch.removeAll()
    while batch.records.count < merged.records, batch.bytes.count < Limits.readBytesMax {
      for index in streams.indices.reversed() {
        let isRead = streams[index].index == streams[index].batch.records.count
        if isRead, try !refill(&streams[index]) { streams.remove(at: index) }
      }
      guard var first = streams.indices.first else { break }
      for index in streams.indices where streams[index].position < streams[first].position { first = index }
      let stream = streams[first]
      batch.append(stream.batch.records[stream.index], from: stream.batch.bytes)
      streams[first].index += 1
    }
    merged.grow()
    return !batch.records.isEmpty
  }

  /// False at the end of the stream.
  private func refill(_ stream: inout Stream) throws(LogError) -> Bool {
    repeat {
      let before = stream.version
      stream.version = try log.read(
        topic: stream.topic, key: key, from: before, records: stream.pace.records, into: stream.batch)
      if stream.version == before { return false }
      // Another key of the same hash leaves an empty batch.
    } while stream.batch.records.isEmpty
    stream.index = 0
    stream.pace.grow()
    return true
  }
}

/// Records whose positions are known.
final class PlacesFeed: EventFeed {
  private let log: any EventLog
  private var places: ArraySlice<Position>

  init(_ log: any EventLog, _ places: [Position]) {
    self.log = log
    self.places = places[...]
  }

  func fill(_ batch: RecordBatch) throws(LogError) -> Bool {
    batch.removeAll()
    guard let place = places.popFirst() else { return false }
    _ = try log.read(from: place, records: 1, bytes: 1, into: batch)
    // Behind what a repair gave up the next record is another one.
    batch.records.removeAll { $0.position != place }
    return true
  }
}
