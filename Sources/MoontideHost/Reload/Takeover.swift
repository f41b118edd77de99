import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Carries a plan out: ends handlers between two batches and begins their new versions. Others are untouched.
/// First everything is asked that may still say no, with those handlers stopped whose files tell; then the
/// takeover is a record of the log; then it happens.
struct Takeover {
  let project: MoontideProject
  let running: RunningGroups
  let change: RunningGroups.Change
  let old: LoadedScripts
  let new: LoadedScripts
  let approve: Bool
  /// Told what a wait is for.
  let report: @Sendable (Diagnostic) -> Void
  private(set) var plan: ReloadPlan
  private(set) var outcome = ReloadReport()
  /// Removed handlers that stay at work.
  private(set) var kept: [ReloadPlan.Step] = []
  /// Those that stopped before it was sure that they go.
  private var stopped: [HandlerGroup] = []
  private let archive: HandlerArchive

  init(
    _ plan: ReloadPlan, project: MoontideProject, running: RunningGroups, change: RunningGroups.Change,
    old: LoadedScripts, new: LoadedScripts, approve: Bool, report: @escaping @Sendable (Diagnostic) -> Void
  ) {
    self.plan = plan
    self.project = project
    self.running = running
    self.change = change
    self.old = old
    self.new = new
    self.approve = approve
    self.report = report
    archive = HandlerArchive(project)
  }

  /// Throws before anything was taken up. What goes wrong later is among the outcome's problems.
  mutating func run(record: (ReloadPlan) throws(Diagnostic) -> Void) throws(Diagnostic) {
    do throws(Diagnostic) {
      try quiesce()
      plan.leaveAlone(kept)
      try archive.mark(&plan, new.catalog.definitions)
      try record(plan)
    } catch {
      for group in stopped { resume(group) }
      throw error
    }
    var setting = running.setting
    setting.catalog = new.catalog
    change.share(setting)
    for step in plan.steps where step.change != .same || step.isAgain {
      if running.hasEnded { break }
      do throws(Diagnostic) { try carryOut(step) } catch {
        outcome.problems.append(fault(error, step))
        tell(step, follows: "does not run now")
      }
      CrashPoint.reach(.duringTakeover)
    }
    reroute()
  }

  // MARK: What may say no

  private mutating func quiesce() throws(Diagnostic) {
    // Effects of removed ones are waited for, of all at once.
    for step in plan.steps where step.change == .removed && step.kind.keepsState {
      group(step)?.askToStop()
    }
    for step in plan.steps {
      let isEditedSaga = step.kind == .saga && (step.change == .changed || step.change == .renamed)
      guard step.kind.keepsState, step.change == .removed || isEditedSaga, let group = group(step) else {
        continue
      }
      group.stop(settled: false, handsOver: isEditedSaga)
      stopped.append(group)
      if step.change == .removed { try judge(step, group) }
    }
    let sagas = plan.steps.filter { $0.kind == .saga && $0.change != .removed }.map(\.name)
    let open = OpenInstances(paths: project.paths, files: project.files, catalog: new.catalog)
    for problem in try open.problems(of: Set(sagas)) {
      if problem.severity == .error { throw problem }
      outcome.problems.append(problem)
    }
  }

  /// A removed handler goes when nothing is left to do, or when somebody says so.
  private mutating func judge(_ step: ReloadPlan.Step, _ group: HandlerGroup) throws(Diagnostic) {
    let left = try archive.unfinished(group.definition)
    if left.isEmpty || approve { return }
    let name = "\(step.kind.rawValue) \(step.name)"
    if plan.steps.contains(where: {
      $0.name == step.name && $0.kind.keepsState && $0.change == .added
    }) {
      throw Diagnostic(
        .reload,
        "\(name) has work left (\(left.joined(separator: ", "))), and another handler takes its name",
        help: "give the new one another name, or moontide reload --approve")
    }
    kept.append(step)
    stopped.removeAll { $0 === group }
    resume(group)
    outcome.rows.append(
      .init(
        kind: step.kind.rawValue, name: step.name, change: "kept", version: step.previous ?? "",
        follows: "goes on by its old script"))
    outcome.problems.append(
      Diagnostic(
        .warning, code: HostCode.reload.code,
        "\(name) was removed and has work left: \(left.joined(separator: ", "))",
        details: [
          .init("state", "it goes on by its old script; everything else was taken up"),
          .init(
            "help",
            "moontide dead ls · moontide effects ls · moontide saga ls, then moontide reload; or moontide "
              + "reload --approve puts its file into data/archive with all of it"),
        ]))
  }

  private func group(_ step: ReloadPlan.Step) -> HandlerGroup? {
    HandlerKind(rawValue: step.kind.rawValue).flatMap { running.group($0, step.was ?? step.name) }
  }

  private func resume(_ group: HandlerGroup) {
    do throws(Diagnostic) {
      try waiting { () throws(Diagnostic) in try change.resume(group) }
    } catch { report(error) }
  }

  /// Does it again and again while the system is short of what it needs.
  private func waiting(_ body: () throws(Diagnostic) -> Void) throws(Diagnostic) {
    var isTold = false
    while true {
      do throws(Diagnostic) { return try body() } catch {
        guard error.isPassing, !running.hasEnded else { throw error }
        if !isTold { report(error.asWarning) }
        isTold = true
      }
      project.clock.sleep(for: Limits.fullDiskPause)
    }
  }

  // MARK: What happens

  private mutating func carryOut(_ step: ReloadPlan.Step) throws(Diagnostic) {
    let follows: String
    switch step.kind {
    case .settings: follows = "budgets, retries and what effects may reach count from now on"
    case .upcaster: follows = "every handler that it concerns follows it"
    case .decider: follows = try takeOver(decider: step)
    case .projection, .consumer, .saga: follows = try takeOver(handler: step)
    }
    if step.change == .same, !step.isIdle { return }
    tell(step, follows: step.was.map { "was \($0); \(follows)" } ?? follows)
  }

  private mutating func tell(_ step: ReloadPlan.Step, follows: String) {
    outcome.rows.append(
      .init(
        kind: step.kind.rawValue, name: step.name, change: step.change.rawValue, version: step.version ?? "",
        follows: follows))
  }

  private func takeOver(decider step: ReloadPlan.Step) throws(Diagnostic) -> String {
    let before = running.deciders.first { $0.definition.name == step.was ?? step.name }
    guard let decider = new.catalog.decider(step.name), step.change != .removed else {
      if let before { change.drop(before) }
      return "decides no more"
    }
    before?.stop(keeping: true)
    try waiting { () throws(Diagnostic) in try change.begin(decider, after: before) }
    return "decides from now on"
  }

  private mutating func takeOver(handler step: ReloadPlan.Step) throws(Diagnostic) -> String {
    let definition = new.catalog.definitions.first { step.isAbout($0) }
    guard let definition, step.change != .removed else {
      if let gone = group(step) { change.drop(gone) }
      // With the group its connections go, and SQLite brings the write-ahead log into the file.
      stopped.removeAll { $0.definition.name == step.name }
      return try putAway(step)
    }
    let before = group(step)
    let origin = before == nil ? try ownFile(of: definition) : nil
    if definition.kind == .projection {
      try rebuild(definition, after: before)
      guard step.change == .added else { return "is rebuilt beside" }
      if let origin, origin.version == definition.scriptVersion { return origin.follows }
      return origin == nil ? "is folded from the start of the log" : "is rebuilt beside"
    }
    before?.stop(settled: false, handsOver: true)
    let place = before?.position
    try waiting { () throws(Diagnostic) in try change.begin(definition, after: before) }
    if let place { return "takes over from \(place)" }
    if let origin { return origin.follows }
    switch definition.start {
    case nil, .start: return "begins at the start of the log"
    case .now: return "begins at the end of the log"
    case .time(let time): return "begins with what was recorded from \(time) on"
    }
  }

  /// The file that one goes on with that was not at work: the one that was put away when it was removed, or
  /// one that was in its place.
  private func ownFile(
    of definition: HandlerDefinition
  ) throws(Diagnostic) -> (version: String, follows: String)? {
    var back: HandlerArchive.Stored?
    try waiting { () throws(Diagnostic) in back = try archive.takeBack(definition) }
    if let back { return (back.version, "goes on from \(back.position) with \(back.name), which is back") }
    guard let standing = try archive.standing(definition) else { return nil }
    return (standing.version, "goes on from \(standing.position) with its file, which was there")
  }

  /// The new version of a projection is folded beside the one that serves, which keeps up meanwhile; where
  /// none serves, or under another name, it begins at once.
  private func rebuild(_ definition: HandlerDefinition, after before: HandlerGroup?) throws(Diagnostic) {
    if let before, before.definition.name == definition.name, !needsStart(before, definition) {
      var hasBegun = false
      try waiting { () throws(Diagnostic) in hasBegun = try before.rebuild(definition, running.setting) }
      if hasBegun { return }
    }
    before?.stop(settled: false)
    try waiting { () throws(Diagnostic) in try change.begin(definition, after: before) }
  }

  /// Whether its version serves, and only what it shares with others is not what it began with.
  private func needsStart(_ group: HandlerGroup, _ definition: HandlerDefinition) -> Bool {
    group.definition.scriptVersion == definition.scriptVersion && !group.isRebuilding
      && group.setting.catalog.defaults != new.catalog.defaults
  }

  private func putAway(_ step: ReloadPlan.Step) throws(Diagnostic) -> String {
    guard let kind = HandlerKind(rawValue: step.kind.rawValue) else { return "has ended" }
    let put = try archive.putAway(kind, step.name, at: project.clock.now)
    guard let place = put.file ?? put.former else { return "has ended" }
    let former = put.file == nil ? nil : put.former
    var details: [Diagnostic.Detail] = []
    if let former { details.append(.init("former", "the one that it took the place of is now \(former)")) }
    details.append(
      .init(
        "help",
        kind == .projection
          ? "the same version goes on with it when its script is back; another one is folded anew"
          : "it goes on with that file, where it stopped, when its script is back, also under another "
            + "name with was = \"\(step.name)\""))
    report(
      Diagnostic(
        .note, code: HostCode.archived.code,
        "\(step.kind.rawValue) \(step.name) is gone from the scripts; its file is now \(place)",
        details: details))
    return "has ended; its file is now \(place)" + (former.map { ", the one before it \($0)" } ?? "")
  }

  /// Commands that wait for a decider that does not take them any more go to the one that does.
  private func reroute() {
    for group in running.deciders {
      for asked in group.post.inbox.takeOthers(than: Set(group.definition.commands)) {
        if let other = running.decider(ofCommand: asked.command.type) {
          other.send(asked)
        } else {
          asked.answer(.refused(CommandInbox.untaken(asked.command.type)))
        }
      }
    }
  }

  private func fault(_ error: Diagnostic, _ step: ReloadPlan.Step) -> Diagnostic {
    error.adding(
      "state",
      "\(step.kind.rawValue) \(step.name) does not run now; the next edit, or moontide reload, starts it")
  }
}
