import MoontideCore

/// Finds records by their offset and by the time of their recording, going on from the nearest mark: a few
/// thousand records at most, unless the partition is a rare one.
struct PlaceSearch {
  let catalog: LogCatalog
  let log: LogIdentity
  /// What lies at or after it is not looked at.
  let end: Position

  /// The record with that offset; nil when there is none.
  func position(_ topic: TopicID, _ partition: UInt16, _ offset: Offset) throws(LogError) -> Position? {
    let number = UInt32(topic.value) << 16 | UInt32(partition)
    guard let mark = catalog.mark(partition: number, offset: offset.value) else { return nil }
    let found = try first(from: mark.position) {
      $0.topic == topic && $0.partition == partition && $0.offset >= offset
    }
    return found?.offset == offset ? found?.position : nil
  }

  /// The first record that was recorded at or after an instant; nil when there is none.
  func position(recorded time: EventTime) throws(LogError) -> Position? {
    guard let mark = catalog.mark(recordedBefore: time.microseconds) else { return nil }
    return try first(from: mark.position) { $0.recordedMicroseconds >= time.microseconds }?.position
  }

  private func first(from start: UInt64, where holds: (Record) -> Bool) throws(LogError) -> Record? {
    let batch = RecordBatch()
    var position = start
    while true {
      batch.records.removeAll(keepingCapacity: true)
      guard var read = SequentialRead(from: position, before: end.value, catalog: catalog, log: log) else {
        return nil
      }
      let next = try read.run(records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      if let found = batch.records.first(where: holds) { return found }
      if next == position { return nil }
      position = next
    }
  }
}
