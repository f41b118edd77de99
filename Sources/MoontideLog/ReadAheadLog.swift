import Glibc
public import MoontideCore

/// A log that has the next records read by a thread of its own while those before are handled: for one reader
/// that goes through all of it, as a rebuild does. What it does not find there it reads itself. The thread
/// ends with the object.
public final class ReadAheadLog: EventLog {
  private struct Request: Equatable {
    var start: Position
    var records: Int
    var bytes: Int
  }

  /// Where reader and thread meet.
  private final class Desk: @unchecked Sendable {
    // Unchecked: everything is behind the gate; the batch is the thread's while it reads.
    let gate = Gate()
    let log: any EventLog
    let batch = RecordBatch()
    var asked: Request?
    var isReading = false
    /// What was read, and where to read on.
    var found: (request: Request, next: Position)?
    var isEnding = false

    init(_ log: any EventLog) { self.log = log }

    func run() {
      gate.lock()
      while true {
        while asked == nil, !isEnding { gate.wait() }
        guard !isEnding, let request = asked else { break }
        asked = nil
        isReading = true
        gate.unlock()
        var next: Position?
        do throws(LogError) {
          next = try log.read(
            from: request.start, records: request.records, bytes: request.bytes, into: batch)
        } catch {
          // Who asks for these records reads them himself, and meets it.
          next = nil
        }
        gate.lock()
        isReading = false
        found = next.map { (request, $0) }
        gate.wakeAll()
      }
      gate.unlock()
    }
  }

  private let log: any EventLog
  private let desk: Desk

  public init(_ log: any EventLog) {
    self.log = log
    desk = Desk(log)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 1 << 20)
    var thread = pthread_t()
    let context = Unmanaged.passRetained(desk)
    let result = pthread_create(
      &thread, &attributes,
      { pointer in
        Unmanaged<Desk>.fromOpaque(pointer!).takeRetainedValue().run()
        return nil
      }, context.toOpaque())
    pthread_attr_destroy(&attributes)
    // Without the thread nothing is ever found there.
    if result != 0 { context.release() }
    desk.isEnding = result != 0
  }

  deinit {
    desk.gate.locked {
      desk.isEnding = true
      desk.gate.wakeAll()
    }
  }

  public func read(
    from start: Position, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Position {
    let request = Request(start: start, records: records, bytes: bytes)
    let next: Position
    if let found = take(request, into: batch) {
      next = found
    } else {
      next = try log.read(from: start, records: records, bytes: bytes, into: batch)
    }
    // Close to the end a batch would be cut where the log ended when it was read.
    if next > start, log.durableEnd.value - next.value >= UInt64(records) {
      desk.gate.locked {
        desk.asked = desk.isEnding ? nil : Request(start: next, records: records, bytes: bytes)
        desk.gate.wakeAll()
      }
    }
    return next
  }

  private func take(_ request: Request, into batch: RecordBatch) -> Position? {
    desk.gate.locked {
      while !desk.isEnding, desk.isReading || desk.asked == request { desk.gate.wait() }
      desk.asked = nil
      guard let found = desk.found, found.request == request else { return nil }
      desk.found = nil
      swap(&batch.bytes, &desk.batch.bytes)
      swap(&batch.records, &desk.batch.records)
      return found.next
    }
  }

  // MARK: The log itself

  @discardableResult public func flush() throws(LogError) -> Position { try log.flush() }
  public func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome { try log.append(request) }
  public func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try log.read(topic: topic, key: key, from: version, records: records, bytes: bytes, into: batch)
  }
  public func position(of place: LogPlace) throws(LogError) -> Position? { try log.position(of: place) }
  public var durableEnd: Position { log.durableEnd }
  public func topics() -> [TopicDescription] { log.topics() }
  public func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }
  public func sequenceEnd(of producer: ProducerID) -> UInt64? { log.sequenceEnd(of: producer) }
  public func wait(past position: Position, for timeout: Duration) -> Bool {
    log.wait(past: position, for: timeout)
  }
}
