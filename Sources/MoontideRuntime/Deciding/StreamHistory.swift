public import MoontideCore
import MoontideLua

/// The states that a stream had, one event after another, for people who ask. Owned by one thread.
public final class StreamHistory {
  /// The state after one event.
  public struct Step: Sendable {
    /// How many events it is the fold of; 0 at the beginning.
    public var version: Int
    /// Of the event.
    public var position: Position?
    /// As written.
    public var time: String
    public var type: String
    /// As `StateCodec` reads it.
    public var state: [UInt8]?
  }

  private let fold: StreamFold
  private let catalog: ProjectCatalog
  private let log: any EventLog

  /// - Throws: what is wrong with the script.
  public init(
    _ definition: DeciderDefinition, catalog: ProjectCatalog, log: any EventLog,
    surroundings: HandlerSurroundings
  ) throws(Diagnostic) {
    self.catalog = catalog
    self.log = log
    do throws(LuaFault) {
      fold = try StreamFold(definition, catalog: catalog, log: log, surroundings: surroundings)
    } catch {
      throw FaultReport.loading(error, path: definition.path, scripts: catalog.scripts)
    }
  }

  /// What the first command of a stream meets.
  public func beginning() throws(Diagnostic) -> Step {
    do throws(LuaFault) {
      return Step(version: 0, position: nil, time: "", type: "", state: try fold.initialState())
    } catch {
      throw FaultReport.loading(error, path: fold.definition.path, scripts: catalog.scripts)
    }
  }

  /// How many events of a stream count, up to `max`; folds nothing.
  public func count(key: [UInt8], max: Int, where counts: (Record) -> Bool) throws(Diagnostic) -> Int {
    var count = 0
    try skim(key) { record, _ in
      if count < max, counts(record) { count += 1 }
      return count < max
    }
    return count
  }

  /// The first event that a stream ever had: its position, and its time as written; nil when it has none.
  public func first(key: [UInt8]) throws(Diagnostic) -> (position: Position, time: String)? {
    var first: (Position, String)?
    try skim(key) { record, batch in
      first = (record.position, FaultReport.time(of: record, in: batch))
      return false
    }
    return first
  }

  /// Hands over a stream's events until `body` answers false.
  private func skim(_ key: [UInt8], _ body: (Record, RecordBatch) -> Bool) throws(Diagnostic) {
    guard let topic = log.topics().first(where: { $0.name == fold.definition.topic }) else { return }
    let batch = RecordBatch()
    var version = 0
    do throws(LogError) {
      while true {
        let next = try log.read(
          topic: topic.id, key: key, from: version, records: Limits.readRecordsMax, into: batch)
        for record in batch.records where !body(record, batch) { return }
        if next == version { return }
        version = next
      }
    } catch { throw unreadable(error) }
  }

  private func unreadable(_ error: LogError) -> Diagnostic {
    var problem = WorkerStop.log(error, handler: "decider \(fold.definition.name)").diagnostic
    // Who asks does not wait for it to pass.
    problem.severity = .error
    problem.details.removeAll { $0.label == "state" }
    return problem
  }

  /// Folds a stream.
  /// - Parameters:
  ///   - versions: how many events count at most; nil: all.
  ///   - counts: whether an event does; one that does not leaves state and version as they are.
  ///   - step: called after each event that counts.
  public func fold(
    key: [UInt8], versions: Int?, where counts: (Record) -> Bool, _ step: (Step) -> Void
  ) throws(Diagnostic) {
    var state = StreamState.new
    var taken = 0
    do throws(StreamFault) {
      try fold.advance(&state, key: key) { record in
        guard taken < versions ?? .max, counts(record) else { return false }
        taken += 1
        return true
      } folded: { record, batch, state in
        step(
          Step(
            version: state.version, position: record.position, time: FaultReport.time(of: record, in: batch),
            type: batch.bytes.text(record.envelope.type), state: state.value))
      }
    } catch {
      switch error {
      case .log(let error):
        throw unreadable(error)
      case .script(let fault, let position):
        var problem = FaultReport.loading(fault, path: fold.definition.path, scripts: catalog.scripts)
        problem.title =
          "decider \(fold.definition.name) failed on its stream's event at \(position): \(fault.message)"
        if taken > 1 {
          problem.details.insert(
            .init("state", "the \(Counted.text(taken - 1, "event")) before it: --version \(taken - 1)"), at: 0
          )
        }
        throw problem
      }
    }
  }
}
