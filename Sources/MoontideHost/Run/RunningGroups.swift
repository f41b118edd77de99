import MoontideCore
import MoontideRuntime
import Synchronization

/// The handlers of a run, each as it is at work now. Any thread.
final class RunningGroups: Sendable {
  private struct State {
    var groups: [HandlerGroup] = []
    var deciders: [DeciderGroup] = []
    var hasEnded = false
  }

  private let setting: HandlerGroup.Setting
  private let state = Mutex(State())

  init(_ setting: HandlerGroup.Setting) { self.setting = setting }

  var all: [HandlerGroup] { state.withLock { $0.groups } }
  var deciders: [DeciderGroup] { state.withLock { $0.deciders } }

  func start(_ definition: HandlerDefinition) throws(Diagnostic) {
    try changed { (state) throws(Diagnostic) in
      state.groups.append(try HandlerGroup(definition, setting))
    }
  }

  func start(_ decider: DeciderDefinition) throws(Diagnostic) {
    try changed { (state) throws(Diagnostic) in
      state.deciders.append(try DeciderGroup(decider, setting))
    }
  }

  /// Starts a handler anew that has stopped, since something was decided about what stopped it. False when it
  /// is at work, is none of the run's, or the run ends.
  func revive(_ name: String) throws(Diagnostic) -> Bool {
    try changed { (state) throws(Diagnostic) in
      guard !state.hasEnded,
        let index = state.groups.firstIndex(where: { $0.definition.name == name }),
        state.groups[index].halted != nil
      else { return false }
      state.groups[index].stop(settled: false)
      state.groups[index] = try HandlerGroup(state.groups[index].definition, setting)
      return true
    }
  }

  /// Each ends at the end of its batch; none is started any more.
  func stop(settled: Bool) {
    state.withLock { state in
      state.hasEnded = true
      for decider in state.deciders { decider.stop() }
      for group in state.groups { group.stop(settled: settled) }
    }
  }

  private func changed<T: Sendable>(_ body: (inout State) throws(Diagnostic) -> T) throws(Diagnostic) -> T {
    let result = state.withLock { state -> Result<T, Diagnostic> in
      do throws(Diagnostic) { return .success(try body(&state)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
