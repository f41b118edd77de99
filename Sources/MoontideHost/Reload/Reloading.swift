import MoontideCore
import MoontideLua
import MoontideRuntime
import Synchronization

/// Takes up edited scripts while a run goes on. All of them or none: with an error in any of them the old
/// ones stay at work, and nothing is lost or done twice. Any thread with a stack of 2 MiB or more; one try at
/// a time.
final class Reloading: Sendable {
  private struct State {
    /// The content that was last taken up or refused.
    var seen: Digest?
    /// A content that would remove definitions, since when it stands, and whether that was told.
    var doubted: (content: Digest, since: Duration, isTold: Bool)?
    /// The handlers that run, by name; nil: all.
    var only: Set<String>?
  }

  private let project: MoontideProject
  private let running: RunningGroups
  private let effects: EffectThread
  /// Told what came of each try.
  private let told: @Sendable (ReloadReport) -> Void
  /// Told of single problems.
  private let report: @Sendable (Diagnostic) -> Void
  private let state: Mutex<State>

  init(
    _ project: MoontideProject, _ running: RunningGroups, _ effects: EffectThread, only: Set<String>?,
    told: @escaping @Sendable (ReloadReport) -> Void, report: @escaping @Sendable (Diagnostic) -> Void
  ) {
    self.project = project
    self.running = running
    self.effects = effects
    self.told = told
    self.report = report
    state = Mutex(State(seen: project.refusedContent ?? project.loaded.files.digest, only: only))
  }

  /// Takes up the scripts as they are now, whatever was seen before.
  func take(_ request: ReloadRequest) throws(Diagnostic) -> ReloadReport {
    let result = state.withLock { state -> Result<ReloadReport, Diagnostic> in
      do throws(Diagnostic) {
        let scripts = try read()
        return .success(try attempt(scripts, &state, approve: request.approve))
      } catch {
        return .failure(error)
      }
    }
    let report = try result.get()
    told(report)
    return report
  }

  /// What the content of the scripts is worth to whoever watches them.
  private enum Belief {
    case believed
    /// To be looked at again soon.
    case doubted
    /// It is what somebody may mean, who then says so.
    case unbelieved
  }

  /// Looks whether the scripts are others than those that were last taken up or refused, and takes them up
  /// then; whether it is to look again soon.
  func look() -> Bool {
    let result = state.withLock { state -> Result<(ReloadReport?, Bool), Diagnostic> in
      do throws(Diagnostic) {
        let scripts = try read()
        let content = scripts.digest
        if state.seen == content {
          state.doubted = nil
          return .success((nil, false))
        }
        switch try belief(scripts, content, &state) {
        case .believed: return .success((try attempt(scripts, &state, approve: false), false))
        case .doubted: return .success((nil, true))
        case .unbelieved: return .success((nil, false))
        }
      } catch {
        // What passes is tried again.
        if error.isPassing { state.seen = nil }
        return .failure(error)
      }
    }
    switch result {
    case .success(let (report, isSoon)):
      if let report { told(report) }
      return isSoon
    case .failure(let problem):
      report(problem.isPassing ? problem.asWarning : problem)
      return false
    }
  }

  private func read() throws(Diagnostic) -> ScriptFiles {
    try SettledScripts(paths: project.paths, files: project.files, clock: project.clock).read()
  }

  /// A file that is being saved is empty for a moment, or not there: that definitions are gone is believed
  /// once it has stood for a while. That the folder itself is gone is never believed: it is on its way
  /// elsewhere, or another one takes its place.
  private func belief(
    _ scripts: ScriptFiles, _ content: Digest, _ state: inout State
  ) throws(Diagnostic) -> Belief {
    let now = project.clock.monotonic
    if let doubted = state.doubted, doubted.content == content {
      if now < doubted.since + Limits.removalDoubtTime { return .doubted }
      let isThere = try FileError.told { () throws(FileError) in
        try project.files.status(project.paths.handlers) != nil
      }
      if isThere { return .believed }
      if !doubted.isTold { report(Reloading.gone) }
      state.doubted?.isTold = true
      return .unbelieved
    }
    let loaded = LoadedScripts(scripts)
    guard !loaded.hasErrors, plan(loaded, only: state.only).removes else {
      state.doubted = nil
      return .believed
    }
    state.doubted = (content, now, false)
    return .doubted
  }

  private static var gone: Diagnostic {
    Diagnostic(
      .warning, code: HostCode.reload.code, "the folder handlers/ is gone",
      details: [
        .init("state", "nothing was taken up, everything goes on as it was"),
        .init("help", "put it back; or moontide reload, if that is meant"),
      ])
  }

  /// False of one that could not begin when its last version was taken up.
  private func isAtWork(_ step: ReloadPlan.Step) -> Bool {
    if step.kind == .decider {
      guard let group = running.deciders.first(where: { $0.definition.name == step.name }) else {
        return false
      }
      return !group.hasEnded || group.halted != nil
    }
    guard let kind = HandlerKind(rawValue: step.kind.rawValue), kind != .upcaster else { return true }
    guard let group = running.group(kind, step.name) else { return false }
    return !group.hasEnded || group.halted != nil
  }

  private func plan(_ loaded: LoadedScripts, only: Set<String>?) -> ReloadPlan {
    ReloadPlan(from: project.loaded.outline(only: only), to: loaded.outline(only: only))
  }

  // MARK: One try

  private func attempt(
    _ scripts: ScriptFiles, _ state: inout State, approve: Bool
  ) throws(Diagnostic) -> ReloadReport {
    state.doubted = nil
    let old = project.loaded
    let new = LoadedScripts(scripts)
    state.seen = scripts.digest
    if let refusal = try refusal(new, old) { return refusal }
    // Whoever names the handlers to run means those, whatever they are called by now.
    if var only = state.only {
      for definition in new.catalog.definitions {
        if let was = definition.was, only.contains(was) { only.insert(definition.name) }
      }
      state.only = only
    }
    var plan = plan(new, only: state.only)
    plan.beginAgain { !isAtWork($0) }
    let missing = try missingStarts(plan, new)
    if !missing.isEmpty { return ReloadReport(refused: missing) }
    let fresh = new.problems.filter { !old.problems.contains($0) } + needingRestart(new, old)
    if plan.isEmpty {
      var report = ReloadReport()
      report.problems = fresh
      // Comments may have moved lines; what runs keeps the text that it was made of.
      project.takeUp(new)
      return report
    }
    if new.settings.defaults.effects != old.settings.defaults.effects {
      effects.follow(new.settings.defaults.effects)
    }
    do throws(Diagnostic) {
      return try takeOver(plan, old, new, only: state.only, approve: approve, fresh: fresh)
    } catch {
      // Nothing was taken up. What passes is tried again by whoever watches.
      effects.follow(old.settings.defaults.effects)
      if error.isPassing { state.seen = nil }
      return ReloadReport(refused: [error])
    }
  }

  private func takeOver(
    _ plan: ReloadPlan, _ old: LoadedScripts, _ new: LoadedScripts, only: Set<String>?, approve: Bool,
    fresh: [Diagnostic]
  ) throws(Diagnostic) -> ReloadReport {
    try running.change { change throws(Diagnostic) in
      guard !running.hasEnded else {
        throw Diagnostic(.reload, "the run is ending", help: "the next run takes the scripts up")
      }
      var takeover = Takeover(
        plan, project: project, running: running, change: change, old: old, new: new, approve: approve,
        report: report)
      let outline = new.outline(only: only)
      try takeover.run { plan throws(Diagnostic) in
        if plan.changes.isEmpty { return }
        try KeptScripts(project).record(plan, new, outline: outline, randomness: project.randomness)
      }
      project.takeUp(new.keeping(takeover.kept, of: old))
      var outcome = takeover.outcome
      outcome.problems += fresh
      let changed = takeover.plan.changes.filter { $0.change == .changed || $0.change == .added }
      let edited = new.catalog.definitions.filter { one in changed.contains { $0.isAbout(one) } }
      do throws(Diagnostic) { outcome.problems += try MendedHandlers(project).offers(edited) } catch {
        // They were taken up all the same; the next start looks again.
        outcome.problems.append(error.asWarning("their dead letters could not be looked at"))
      }
      return outcome
    }
  }

  /// What keeps these scripts from being taken up at all.
  private func refusal(_ new: LoadedScripts, _ old: LoadedScripts) throws(Diagnostic) -> ReloadReport? {
    if new.hasErrors { return ReloadReport(refused: new.problems) }
    if let changed = MoontideProject.changedPartitions(new.settings, project.log.topics()) {
      return ReloadReport(refused: [changed])
    }
    return nil
  }

  /// New consumers and sagas must say where they begin, unless they have a file, or had one.
  private func missingStarts(_ plan: ReloadPlan, _ new: LoadedScripts) throws(Diagnostic) -> [Diagnostic] {
    var missing: [Diagnostic] = []
    let archive = HandlerArchive(project)
    for step in plan.steps where step.change == .added && step.kind.keepsState {
      guard let definition = new.catalog.definitions.first(where: { step.isAbout($0) }) else { continue }
      let isFree = plan.frees(step)
      if !isFree, try archive.hasFile(definition) { continue }
      do throws(Diagnostic) {
        if try archive.returning(definition, isFree: isFree) != nil { continue }
      } catch {
        if error.isPassing { throw error }
        missing.append(error)
      }
      let problem = try LogError.told { () throws(LogError) in
        try StartPlan.missing(definition, ledger: HandlerLedger(), log: project.log)
      }
      if let problem { missing.append(problem) }
    }
    return missing
  }

  /// What the run goes on with until it is started again.
  private func needingRestart(_ new: LoadedScripts, _ old: LoadedScripts) -> [Diagnostic] {
    var names: [String] = []
    if new.settings.flush != old.settings.flush { names.append("flush") }
    if new.settings.partitions != old.settings.partitions { names.append("topics") }
    if names.isEmpty { return [] }
    return [
      Diagnostic(
        .warning, code: HostCode.reload.code,
        "\(names.joined(separator: " and ")) in moontide.lua \(names.count == 1 ? "counts" : "count") "
          + "from the next run on: this one goes on as it began",
        details: [.init("help", "stop the run and start it again")])
    ]
  }
}
