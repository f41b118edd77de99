import Glibc
import MoontideCore
import MoontideEffects
import MoontideRuntime
import Synchronization

/// The performer of a run: one thread for the effects of all its handlers, which begins with the first
/// effect, so that a project without any has none. Any thread.
final class EffectThread: EffectPerformer {
  private struct State {
    var setting: SystemPerformer.Setting
    var performer: SystemPerformer?
    var thread: WorkerThread?
    /// Those that performed by earlier rules, and may still be asked how something ended.
    var retired: [WorkerThread] = []
    var isTold = false
    var hasEnded = false
  }

  private let root: String
  private let failed: @Sendable (Diagnostic) -> Void
  private let state: Mutex<State>

  /// - Parameter failed: told why effects cannot be performed for now.
  init(
    _ paths: ProjectPaths, _ rules: EffectRules, failed: @escaping @Sendable (Diagnostic) -> Void
  ) {
    self.failed = failed
    root = paths.root
    state = Mutex(State(setting: EffectThread.setting(paths.root, rules)))
  }

  private static func setting(_ root: String, _ rules: EffectRules) -> SystemPerformer.Setting {
    SystemPerformer.Setting(
      root: root, rules: rules, vault: SecretVault(rules.environment, EffectThread.variable),
      variables: ["PATH", "HOME", "LANG", "TZ"].compactMap { name in
        EffectThread.variable(name).map { "\(name)=\($0)" }
      })
  }

  /// What is begun from now on follows these rules; what is being performed ends by the old ones.
  func follow(_ rules: EffectRules) {
    state.withLock { state in
      state.setting = EffectThread.setting(root, rules)
      if let thread = state.thread { state.retired.append(thread) }
      state.thread = nil
      state.performer = nil
    }
  }

  /// What is to be told at once of variables that effects may refer to and that have no value here.
  var unset: Diagnostic? {
    let setting = state.withLock { $0.setting }
    let names = setting.rules.environment.filter { setting.vault[$0] == nil }
    if names.isEmpty { return nil }
    let isOne = names.count == 1
    return Diagnostic(
      .warning, code: RuntimeCode.effectVariableUnset.rawValue,
      "the environment \(isOne ? "variable" : "variables") \(names.joined(separator: ", ")) "
        + "\(isOne ? "is" : "are") not set: effects that need \(isOne ? "it" : "them") are given up"
    )
    .adding("help", "set \(isOne ? "it" : "them") where moontide is started · moontide explain E0373")
  }

  /// A variable of this process; nil when it is not set, or is not UTF-8.
  static func variable(_ name: String) -> String? { getenv(name).flatMap { String(validatingCString: $0) } }

  func begin(_ job: EffectJob, ended: @escaping @Sendable (EffectOutcome) -> Void) -> Bool {
    let performer: SystemPerformer?
    do throws(Diagnostic) { performer = try working() } catch {
      let isTold = state.withLock { state in
        defer { state.isTold = true }
        return state.isTold
      }
      if !isTold { failed(error.asWarning) }
      return false
    }
    return performer?.begin(job, ended: ended) ?? false
  }

  /// Nil when it has ended.
  private func working() throws(Diagnostic) -> SystemPerformer? {
    try state.withLock { state -> Result<SystemPerformer?, Diagnostic> in
      if state.hasEnded { return .success(nil) }
      if let performer = state.performer { return .success(performer) }
      do throws(Diagnostic) {
        let performer = try start(state.setting)
        state.performer = performer.performer
        state.thread = performer.thread
        return .success(performer.performer)
      } catch {
        return .failure(error)
      }
    }.get()
  }

  private func start(_ setting: SystemPerformer.Setting) throws(Diagnostic) -> (
    performer: SystemPerformer, thread: WorkerThread
  ) {
    let performer: SystemPerformer
    do throws(EffectRefusal) { performer = try SystemPerformer(setting) } catch {
      throw Diagnostic(passing: error.text, help: "free some memory; ulimit -n")
    }
    let thread = WorkerThread(
      name: "effects", pause: StagePause(performer), progressed: {}, failed: failed,
      make: { PerformerRun(performer) })
    try thread.start()
    return (performer, thread)
  }

  /// Leaves what is still being performed, and ends. After all relays have.
  func stop() {
    let threads = state.withLock { state in
      state.hasEnded = true
      return state.retired + (state.thread.map { [$0] } ?? [])
    }
    for thread in threads { thread.stop() }
    for thread in threads { thread.join() }
  }
}

extension SystemPerformer: WaitingWorker {}

/// Leaves everything on the thread that performed it.
private final class PerformerRun: ClosingWorker {
  private let performer: SystemPerformer

  init(_ performer: SystemPerformer) { self.performer = performer }

  func step() -> StepOutcome { performer.step() }
  func close(settled: Bool) throws(Diagnostic) { performer.leave() }
}
