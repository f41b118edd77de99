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

  /// - Throws: what is wrong with the script.
  public init(
    _ definition: DeciderDefinition, catalog: ProjectCatalog, log: any EventLog,
    surroundings: HandlerSurroundings
  ) throws(Diagnostic) {
    self.catalog = catalog
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

  /// Folds a stream.
  /// - Parameters:
  ///   - end: events from there on do not count.
  ///   - until: events of a later time do not count; nil: all do.
  ///   - versions: how many events count at most; nil: all.
  ///   - step: called after each event that counts.
  public func fold(
    key: [UInt8], before end: Position, until: EventTime?, versions: Int?, _ step: (Step) -> Void
  ) throws(Diagnostic) {
    var state = StreamState.new
    var taken = 0
    do throws(StreamFault) {
      try fold.advance(&state, key: key) { record in
        guard record.position < end, record.envelope.timeMicroseconds <= until?.microseconds ?? .max,
          taken < versions ?? .max
        else { return false }
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
        throw WorkerStop.log(error, handler: "decider \(fold.definition.name)").diagnostic
      case .script(let fault, let position):
        var problem = FaultReport.loading(fault, path: fold.definition.path, scripts: catalog.scripts)
        problem.title =
          "decider \(fold.definition.name) failed on its stream's event at \(position): \(fault.message)"
        throw problem
      }
    }
  }
}
