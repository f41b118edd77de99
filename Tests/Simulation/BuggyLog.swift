import MoontideCore

/// A log behind a mistake.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class BuggyLog: EventLog, @unchecked Sendable {
  private let log: any EventLog
  private let bug: PlantedBug
  private let numbers: SeededNumbers
  private static let mark = Array("#twice".utf8)
  private let disk: SimulatedDisk
  /// How far it was appended, flushed or not.
  private var appended = Position.start

  init(_ log: any EventLog, _ bug: PlantedBug, _ numbers: SeededNumbers, _ disk: SimulatedDisk) {
    self.log = log
    self.bug = bug
    self.numbers = numbers
    self.disk = disk
  }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    switch bug {
    case .batchIsWrittenInHalves where request.batch.drafts.count > 1: return try appendHalves(request)
    case .failedAppendIsTakenForDone:
      do { return try log.append(request) } catch {
        return .written(.init(first: log.durableEnd, count: 0, repeats: 0, durableWhen: log.durableEnd))
      }
    case .indexForgetsIdentities where numbers.chance(0.2):
      // What the index does not find is written again: here under a source that reading takes off.
      for index in request.batch.drafts.indices where request.batch.drafts[index].envelope.kind == .event {
        var envelope = request.batch.drafts[index].envelope
        let source = Array(request.batch.bytes[envelope.source.indices]) + Self.mark
        envelope.source = request.batch.bytes.appendPart(source, ByteRange(start: 0, count: source.count))
        request.batch.drafts[index].envelope = envelope
      }
      return try log.append(request)
    default: break
    }
    let outcome = try log.append(request)
    if case .written(let written) = outcome { appended = max(appended, written.durableWhen) }
    guard bug == .conflictsAreMerged, case .conflicts(let conflicts) = outcome else { return outcome }
    for index in conflicts.map(\.index).sorted(by: >) { request.batch.drafts.remove(at: index) }
    return try log.append(request)
  }

  /// The progress goes with the first half.
  private func appendHalves(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    let half = request.batch.drafts.count / 2
    let (first, second) = (DraftBatch(), DraftBatch())
    for batch in [first, second] { batch.bytes = request.batch.bytes }
    first.drafts = Array(request.batch.drafts[..<half])
    second.drafts = Array(request.batch.drafts[half...])
    let outcome = try log.append(AppendRequest(batch: first, progress: request.progress))
    guard case .written(let begun) = outcome else { return outcome }
    guard case .written(let ended) = try log.append(AppendRequest(batch: second)) else { return outcome }
    return .written(
      .init(
        first: begun.first, count: begun.count + ended.count, repeats: begun.repeats + ended.repeats,
        durableWhen: ended.durableWhen))
  }

  @discardableResult func flush() throws(LogError) -> Position {
    if bug == .acknowledgedBeforeFlush, numbers.chance(0.5) { return durableEnd }
    if bug == .delayedFlushIsTakenForDone, numbers.chance(0.5) { return appended }
    return try log.flush()
  }

  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    let next = try log.read(from: start, records: records, bytes: bytes, into: batch)
    for index in batch.records.indices {
      let source = batch.records[index].envelope.source
      if batch.bytes[source.indices].ends(with: Self.mark) {
        batch.records[index].envelope.source.count -= UInt32(Self.mark.count)
      }
    }
    // Who looks on is told the truth about decisions: what the handlers do must show it.
    if disk.isPaused, [.decisionIsLost, .decisionIsReadTwice].contains(bug) { return next }
    if bug == .decisionIsLost { batch.records.removeAll { $0.envelope.kind == .decision } }
    if bug == .decisionIsReadTwice {
      batch.records = batch.records.flatMap { $0.envelope.kind == .decision ? [$0, $0] : [$0] }
    }
    if !disk.isPaused { misreadVersions(batch) }
    guard batch.records.count > 1, numbers.chance(0.1) else { return next }
    switch bug {
    case .readSkipsARecord: batch.records.remove(at: 1 + numbers.below(batch.records.count - 1))
    case .readRepeatsARecord: batch.records.append(batch.records[batch.records.count - 1])
    case .keyIsReordered: batch.records.swapAt(0, batch.records.count - 1)
    default: break
    }
    return next
  }

  /// What upcasters are to bring up is taken for new, or what they split is named otherwise.
  private func misreadVersions(_ batch: RecordBatch) {
    for index in batch.records.indices {
      let envelope = batch.records[index].envelope
      let type = batch.bytes.text(envelope.type)
      if bug == .upcasterIsSkipped, type == "Deposited", numbers.chance(0.1) {
        batch.records[index].envelope.version = 3
      }
      guard bug == .partsAreRenamed, type == "Swept", numbers.chance(0.5) else { continue }
      let id = Array(batch.bytes[envelope.id.indices]) + Array("'".utf8)
      batch.bytes.removeLast(Limits.parserPaddingBytes)
      batch.records[index].envelope.id = batch.bytes.appendPart(id, ByteRange(start: 0, count: id.count))
      batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    }
  }

  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try log.read(topic: topic, key: key, from: version, records: records, bytes: bytes, into: batch)
  }

  func position(of place: LogPlace) throws(LogError) -> Position? { try log.position(of: place) }
  var durableEnd: Position {
    bug == .delayedFlushIsTakenForDone ? max(appended, log.durableEnd) : log.durableEnd
  }
  func topics() -> [TopicDescription] { log.topics() }
  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }
  func sequenceEnd(of producer: ProducerID) -> UInt64? {
    guard let end = log.sequenceEnd(of: producer) else { return nil }
    let isPacked =
      disk.node(OutsideWorld.packed).map(\.number).map { producer.text.hasPrefix("file:\($0):") } ?? false
    return bug == .packedPlaceIsTakenForUnpacked && isPacked ? end + UInt64(PackedLines.overhead) : end
  }
  func wait(past position: Position, for timeout: Duration) -> Bool { log.wait(past: position, for: timeout) }
}

extension ArraySlice<UInt8> {
  fileprivate func ends(with other: [UInt8]) -> Bool { suffix(other.count).elementsEqual(other) }
}
