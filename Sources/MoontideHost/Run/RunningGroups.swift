import MoontideCore
import MoontideRuntime
import Synchronization

/// The handlers of a run, each as it is at work now. Any thread. Asking how they stand never waits for a
/// change that is being made.
final class RunningGroups: Sendable {
  private struct State {
    var groups: [HandlerGroup] = []
    var deciders: [DeciderGroup] = []
    var setting: HandlerGroup.Setting
    /// What predecessors did since the run began, by the name of who is at work now.
    var doneEffects: [String: UInt64] = [:]
    var decided: [String: DeciderSummary] = [:]
  }

  /// Held by who changes what runs, for as long as that takes.
  private let changing = Mutex<Void>(())
  private let state: Mutex<State>
  private let ended = Atomic<Bool>(false)

  init(_ setting: HandlerGroup.Setting) { state = Mutex(State(setting: setting)) }

  var all: [HandlerGroup] { state.withLock { $0.groups } }
  var deciders: [DeciderGroup] { state.withLock { $0.deciders } }
  /// Whether the run ends: nothing is started any more.
  var hasEnded: Bool { ended.load(ordering: .acquiring) }
  /// What is started from now on shares this.
  var setting: HandlerGroup.Setting { state.withLock { $0.setting } }

  func group(_ kind: HandlerKind, _ name: String) -> HandlerGroup? {
    all.first { $0.definition.kind == kind && $0.definition.name == name }
  }

  /// Who decides commands of that type now.
  func decider(ofCommand type: String) -> DeciderGroup? {
    deciders.first { $0.definition.commands.contains(type) }
  }

  /// Effects that were done since the run began, by handler.
  var doneEffects: [String: UInt64] {
    state.withLock { state in
      var done = state.doneEffects
      for group in state.groups { done[group.definition.name, default: 0] += group.effects?.status.done ?? 0 }
      return done
    }
  }

  /// What each decider answered since the run began, by name.
  var decided: [DeciderSummary] {
    state.withLock { state in
      state.deciders.map { $0.summary.adding(state.decided[$0.definition.name]) }
        .sorted { $0.name < $1.name }
    }
  }

  // MARK: Changes

  func start(_ definition: HandlerDefinition) throws(Diagnostic) {
    try change { (change) throws(Diagnostic) in try change.begin(definition) }
  }

  /// The same by scripts that are not those on disk.
  /// - Parameter isResumed: it goes on with the read model in use, which is of that version.
  func start(_ former: FormerVersions.Version, isResumed: Bool) throws(Diagnostic) {
    try change { (change) throws(Diagnostic) in
      try change.begin(former.definition, setting.with(former.catalog), isResumed: isResumed)
    }
  }

  func start(_ decider: DeciderDefinition) throws(Diagnostic) {
    try change { (change) throws(Diagnostic) in try change.begin(decider) }
  }

  /// Starts a handler anew that has stopped, since something was decided about what stopped it. False when it
  /// is at work, is none of the run's, or the run ends.
  func revive(_ name: String) throws(Diagnostic) -> Bool {
    try change { (change) throws(Diagnostic) in
      guard !hasEnded, let group = all.first(where: { $0.definition.name == name }), group.halted != nil
      else { return false }
      try change.resume(group)
      return true
    }
  }

  /// Has a projection folded beside by that definition, which then takes the place of the read model in use;
  /// returns when that has begun. What was folded beside before is given up. One that has stopped, or has no
  /// read model to keep up meanwhile, is started anew by it. False when it is none of the run's.
  /// - Parameters:
  ///   - setting: with the catalog of that definition.
  ///   - file: what it begins with; all but a known one are wanted even if that version serves.
  func rebuild(
    _ definition: HandlerDefinition, _ setting: HandlerGroup.Setting, _ file: StoreKeeper.Beside = .known
  ) throws(Diagnostic) -> Bool {
    guard let group = group(.projection, definition.name) else { return false }
    if try group.rebuild(definition, setting, file) { return true }
    return try change { (change) throws(Diagnostic) in
      guard !hasEnded, all.contains(where: { $0 === group }) else { return false }
      group.stop(settled: false)
      try change.begin(definition, after: group, setting)
      return true
    }
  }

  /// Each ends at the end of its batch; none is started any more.
  func stop(settled: Bool) {
    ended.store(true, ordering: .releasing)
    changing.withLock { _ in
      for decider in deciders { decider.stop() }
      for group in all { group.stop(settled: settled) }
    }
  }

  /// Makes changes, one after another.
  func change<T: Sendable>(_ body: (Change) throws(Diagnostic) -> T) throws(Diagnostic) -> T {
    let result = changing.withLock { _ -> Result<T, Diagnostic> in
      do throws(Diagnostic) { return .success(try body(Change(groups: self))) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// The right to change what runs. Not kept beyond the call that gave it.
  struct Change {
    fileprivate let groups: RunningGroups

    /// What is begun from now on shares this.
    func share(_ setting: HandlerGroup.Setting) { groups.state.withLock { $0.setting = setting } }

    /// Starts a handler in the place of `old`, which has ended, or beside all others.
    /// - Parameter setting: what it shares with others; nil: what all that is begun now shares.
    func begin(
      _ definition: HandlerDefinition, after old: HandlerGroup? = nil, _ setting: HandlerGroup.Setting? = nil,
      isResumed: Bool = false
    ) throws(Diagnostic) {
      let setting = setting ?? groups.setting
      put(try HandlerGroup(definition, setting, after: old, isResumed: isResumed), for: old)
    }

    /// Starts it again as it was.
    func resume(_ old: HandlerGroup) throws(Diagnostic) {
      old.stop(settled: false, handsOver: true)
      put(try HandlerGroup(old.definition, old.setting, after: old), for: old)
    }

    /// Ends a handler that nobody takes the place of.
    func drop(_ old: HandlerGroup) {
      old.stop(settled: true)
      groups.state.withLock { $0.groups.removeAll { $0 === old } }
    }

    private func put(_ group: HandlerGroup, for old: HandlerGroup?) {
      groups.state.withLock { state in
        let done = old?.effects?.status.done ?? 0
        let before = old.flatMap { state.doneEffects.removeValue(forKey: $0.definition.name) } ?? 0
        if done + before > 0 { state.doneEffects[group.definition.name] = done + before }
        if let index = state.groups.firstIndex(where: { $0 === old }) {
          state.groups[index] = group
        } else {
          state.groups.append(group)
        }
      }
    }

    /// The same of a decider; it answers who waits for `old`.
    func begin(_ decider: DeciderDefinition, after old: DeciderGroup? = nil) throws(Diagnostic) {
      let group = try DeciderGroup(decider, groups.setting, after: old)
      groups.state.withLock { state in
        if let old {
          let before = state.decided.removeValue(forKey: old.definition.name)
          state.decided[decider.name] = old.summary.adding(before)
        }
        if let index = state.deciders.firstIndex(where: { $0 === old }) {
          state.deciders[index] = group
        } else {
          state.deciders.append(group)
        }
      }
    }

    /// Ends a decider that nobody takes the place of.
    func drop(_ old: DeciderGroup) {
      old.stop()
      groups.state.withLock { $0.deciders.removeAll { $0 === old } }
    }
  }
}

extension DeciderSummary {
  /// With what its predecessors did.
  fileprivate func adding(_ before: DeciderSummary?) -> DeciderSummary {
    guard let before else { return self }
    return DeciderSummary(
      name: name, accepted: accepted + before.accepted, rejected: rejected + before.rejected,
      failed: failed + before.failed)
  }
}
