import MoontideCore
import MoontideLua

/// Folds events of one decider's streams by its script: upcasters first, then `evolve`, once for each event
/// that they made. A stream's version counts what is stored. Owned by one thread.
final class StreamFold {
  let definition: DeciderDefinition
  private let catalog: ProjectCatalog
  private let log: any EventLog
  private let host: DeciderHost
  private let places: DeciderPlaces
  private(set) var program: DeciderProgram
  let topicBytes: [UInt8]
  let seed: Digest
  private let batch = RecordBatch()

  init(
    _ definition: DeciderDefinition, catalog: ProjectCatalog, log: any EventLog,
    surroundings: HandlerSurroundings
  ) throws(LuaFault) {
    self.definition = definition
    self.catalog = catalog
    self.log = log
    host = DeciderHost(definition, surroundings: surroundings)
    places = DeciderPlaces(definition, scripts: catalog.scripts)
    program = try DeciderProgram(definition, catalog: catalog, host: host)
    topicBytes = Array(definition.topic.text.utf8)
    seed = Digest.zero.adding(definition.identityName).adding(definition.topic.text)
  }

  /// A state that tripped a budget is thrown away.
  func renewIfSpent() throws(LuaFault) {
    guard program.state.isSpent else { return }
    program = try DeciderProgram(definition, catalog: catalog, host: host)
  }

  /// What a stream's state becomes by one event. Without a position the event is not in the log yet.
  func apply(_ record: Record, in batch: RecordBatch, to state: inout StreamState, at position: Position?)
    throws(LuaFault)
  {
    host.begin(record, in: batch)
    let seen = try program.reading.see(record, in: batch, topic: topicBytes, seed: seed)
    // An event that the state does not follow still begins the stream.
    var value = state.value
    if seen.isEmpty { value = try evolve(nil, value, by: record, in: batch) }
    for event in seen {
      do throws(LuaFault) {
        value = try evolve(program.evolve[event.subscription], value, by: event.record, in: batch)
      } catch {
        throw places.locate(error, "evolve", definition.evolves[event.subscription])
      }
    }
    state.value = value
    state.version += 1
    state.position = position
  }

  private func evolve(
    _ function: LuaFunction?, _ value: [UInt8]?, by event: Record, in batch: RecordBatch
  ) throws(LuaFault) -> [UInt8] {
    try program.state.evolve(
      function, initial: program.initial, before: value, event: event, in: batch, topic: topicBytes,
      seed: seed)
  }

  /// The state of a stream without events.
  func initialState() throws(LuaFault) -> [UInt8] {
    batch.removeAll()
    batch.bytes = Array("{}".utf8) + Array(repeating: 0, count: Limits.parserPaddingBytes)
    let nothing = Record(
      position: .start, offset: Offset(0), topic: TopicID(0), partition: 0, recordedMicroseconds: 0,
      envelope: Envelope(timeMicroseconds: 0, data: ByteRange(start: 0, count: 2)))
    return try program.state.evolve(
      nil, initial: program.initial, before: nil, event: nothing, in: batch, topic: topicBytes, seed: seed)
  }

  /// Calls `decide` for a command; its record is the only one of `batch`.
  func decide(_ command: Command, _ record: Record, in batch: RecordBatch, on state: StreamState)
    throws(LuaFault) -> LuaVerdict
  {
    guard let function = program.decide[command.type] else {
      preconditionFailure("\(definition.name) is asked to decide \(command.type)")
    }
    host.begin(record, in: batch)
    do throws(LuaFault) {
      return try program.state.decide(
        function, initial: program.initial, before: state.value, command: record, in: batch,
        topic: topicBytes, seed: seed)
    } catch {
      throw places.locate(error, "decide", command.type)
    }
  }

  /// Folds what the log durably holds of a stream beyond `state`.
  /// - Parameters:
  ///   - takes: whether an event counts; one that does not leaves state and version as they are.
  ///   - folded: called after each event that counted.
  /// - Returns: how many records of the stream were looked at, `state.version` when all counted.
  @discardableResult
  func advance(
    _ state: inout StreamState, key: [UInt8], from first: Int? = nil,
    takes: (Record) -> Bool = { _ in true },
    folded: (Record, RecordBatch, StreamState) -> Void = { _, _, _ in }
  ) throws(StreamFault) -> Int {
    guard let topic = log.topics().first(where: { $0.name == definition.topic }) else { return 0 }
    var version = first ?? state.version
    while true {
      let next: Int
      do throws(LogError) {
        next = try log.read(
          topic: topic.id, key: key, from: version, records: Limits.readRecordsMax, into: batch)
      } catch {
        throw .log(error)
      }
      if next == version { return version }
      version = next
      for record in batch.records where takes(record) {
        do throws(LuaFault) { try apply(record, in: batch, to: &state, at: record.position) } catch {
          throw .script(error, record.position)
        }
        folded(record, batch, state)
      }
    }
  }

  /// The stream as it is now, folded on from a snapshot; nil when the log does not have the event there that
  /// the snapshot was kept at.
  func resume(from kept: StreamSnapshot) throws(StreamFault) -> StreamState? {
    var state = StreamState(
      version: kept.version, value: kept.state, position: kept.position, snapshotVersion: kept.version)
    var isProven: Bool?
    // Looking a stream up counts its events, so the event that proves is read with those that follow.
    try advance(&state, key: kept.key, from: kept.version - 1) { record in
      if let isProven { return isProven }
      isProven = record.position == kept.position && record.fingerprint(in: batch.bytes) == kept.fingerprint
      return false
    }
    return isProven == true ? state : nil
  }

  /// How many events a stream durably has, whether they fold or not.
  func version(of key: [UInt8]) throws(LogError) -> Int {
    guard let topic = log.topics().first(where: { $0.name == definition.topic }) else { return 0 }
    var version = 0
    while true {
      let next = try log.read(
        topic: topic.id, key: key, from: version, records: Limits.readRecordsMax, into: batch)
      if next == version { return version }
      version = next
    }
  }

  /// What the log knows of the record at a position; nil where there is none.
  func fingerprint(at position: Position) throws(LogError) -> Digest? {
    guard position < log.durableEnd else { return nil }
    _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
    guard let record = batch.records.first, record.position == position else { return nil }
    return record.fingerprint(in: batch.bytes)
  }
}

/// Why a stream's state is not known.
enum StreamFault: Error {
  /// `evolve` or an upcaster failed on the event there.
  case script(LuaFault, Position)
  case log(LogError)
}
