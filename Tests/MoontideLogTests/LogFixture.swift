import Foundation
import MoontideCore
import MoontideLog
import Testing

/// A clock that stands still unless it is moved.
///
/// `@unchecked Sendable`: guarded by `lock`.
final class StandingClock: WallClock, @unchecked Sendable {
  private let lock = NSLock()
  private var time = EventTime("2024-05-01T10:00:00Z")!

  var now: EventTime {
    get { lock.withLock { time } }
    set { lock.withLock { time = newValue } }
  }
  var monotonic: Duration { .zero }
  func sleep(for duration: Duration) {}
}

/// The same numbers every time.
struct FixedRandomness: Randomness {
  var seed: UInt64 = 42
  func next() -> UInt64 { seed &* 0x9e37_79b9_7f4a_7c15 }
}

/// A log on files in memory, with what tests say again and again.
struct LogFixture {
  let files: FaultyFileSystem
  let clock: StandingClock
  var options: LogOptions

  init(
    files: FaultyFileSystem = FaultyFileSystem(), clock: StandingClock = StandingClock(),
    options: LogOptions = LogOptions(indexSealEntries: 64, markBytes: 1024, offsetMarkInterval: 8)
  ) {
    self.files = files
    self.clock = clock
    self.options = options
  }

  func open() throws -> SegmentedLog {
    try SegmentedLog(
      directory: "log", files: files, clock: clock, randomness: FixedRandomness(), options: options)
  }

  var lastSegment: String { files.paths.last { $0.hasPrefix("log/segments/") }! }
}

/// One event for a test.
struct Sample {
  var id: String
  var key: String = "k"
  var data: String = #"{"n":1}"#
  var source: String = ""
  var type: String = "order.paid"
  var time: String?
  var kind: RecordKind = .event
}

extension DraftBatch {
  convenience init(_ topic: TopicID, _ samples: [Sample]) {
    self.init()
    for sample in samples { add(topic, sample) }
  }

  convenience init(_ topic: TopicID, ids: Range<Int>, key: (Int) -> String = { "k\($0 % 7)" }) {
    self.init(topic, ids.map { Sample(id: "e\($0)", key: key($0), data: #"{"n":\#($0)}"#) })
  }

  func add(_ topic: TopicID, _ sample: Sample) {
    var envelope = Envelope(kind: sample.kind, given: [.key])
    envelope.id = bytes.appendPart(sample.id)
    envelope.source = bytes.appendPart(sample.source)
    envelope.type = bytes.appendPart(sample.type)
    envelope.key = bytes.appendPart(sample.key)
    if let time = sample.time {
      envelope.given.insert(.time)
      envelope.time = bytes.appendPart(time)
      envelope.timeMicroseconds = EventTime(time)!.microseconds
    }
    envelope.data = bytes.appendPart(sample.data)
    let body = BodyDigest.digest(of: envelope, in: bytes, data: envelope.data, in: bytes)
    drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }
}

extension EventLog {
  /// Appends and expects it to be written.
  @discardableResult
  func put(
    _ batch: DraftBatch, progress: (producer: ProducerID, sequence: Range<UInt64>)? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> AppendOutcome.Written {
    let outcome = try append(AppendRequest(batch: batch, progress: progress))
    guard case .written(let written) = outcome else {
      Issue.record("not written: \(outcome)", sourceLocation: sourceLocation)
      return .init(first: .start, count: 0, repeats: 0, durableWhen: .start)
    }
    return written
  }

  /// The ids of all durable records, in order of position, read `records` at a time; checks that the
  /// positions are dense.
  func allIDs(records: Int = 1000, bytes: Int = 1 << 20) throws -> [String] {
    let batch = RecordBatch()
    var ids: [String] = []
    var next = Position.start
    while true {
      let after = try read(from: next, records: records, bytes: bytes, into: batch)
      for record in batch.records {
        #expect(record.position.value == UInt64(ids.count))
        ids.append(batch.bytes.text(record.envelope.id))
      }
      if after == next { return ids }
      next = after
    }
  }
}
