import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// One run of a project: threads for ingest, index and handlers, and this thread, which watches them.
final class ProjectRun {
  private let project: MoontideProject
  private let options: RunOptions
  private let observer: any RunObserver
  private let inbox = RunInbox()
  /// Rung when the log has grown.
  private let bell = Bell()
  /// Rung when a handler has come further.
  private let progressed = Bell()
  private var ingest: IngestThreads?
  private var maintainer: WorkerThread?
  private var server: ControlServer?
  private var running: RunningGroups?
  private var groups: [HandlerGroup] { running?.all ?? [] }
  private var deciders: [DeciderGroup] { running?.deciders ?? [] }
  private var effects: EffectThread?
  private var reloading: Reloading?
  private var scriptWatch: WorkerThread?
  private let circuits = CircuitBoard()
  private var isStopped = false
  /// Whether event time was moved on to where the run is to move it, if it is.
  private var isAdvanced: Bool
  private let metrics: MetricsFile?
  /// Fields asked for in vain that nobody has been told of.
  private var missed: [MissedField] = []

  /// How often the run is looked at: often enough for the end of a short one, or for a person.
  private var pause: Duration { options.once ? .milliseconds(10) : .milliseconds(100) }

  init(_ project: MoontideProject, _ options: RunOptions, _ observer: any RunObserver) {
    self.project = project
    self.options = options
    self.observer = observer
    isAdvanced = options.until == nil
    metrics = options.metricsFile.map { MetricsFile($0, files: project.files, clock: project.clock) }
  }

  func run(
    until stop: () -> Bool, started: (any ProjectAccess & Sendable) -> Void
  ) throws(Diagnostic) -> RunReport {
    let definitions = try chosen()
    defer { stopAll(settled: false) }
    defer { server?.stop() }
    let isDone = try start(definitions, until: stop, started) ? watch(until: stop) : false
    let counts = ingest?.counts ?? IngestCounts()
    stopAll(settled: isDone && options.once)
    try writeMetrics(isDone)
    try deliver()
    try tellMissed()
    // Scripts that were taken up meanwhile may have made others of them.
    let ran = groups.isEmpty ? definitions : groups.map(\.definition)
    var report = RunReport(
      ingested: counts.events, repeats: counts.repeats, quarantined: counts.quarantined + counts.conflicts,
      end: project.log.durableEnd,
      handlers: try HandlerSurvey(project, groups: groups).summaries().filter { summary in
        ran.contains { $0.name == summary.name && $0.kind == summary.kind }
      })
    report.commands = counts.commands
    report.deciders = running?.decided ?? []
    report.doneEffects = running?.doneEffects ?? [:]
    for definition in ran where definition.kind != .projection {
      report.deadEffects += try HandlerSurvey(project).effectCounts(definition)?.dead ?? 0
      report.stuckSagas += try HandlerSurvey(project).stuckSagas(definition) ?? 0
    }
    try tellStranded(report)
    return report
  }

  /// Starts everything; false when it is asked to end before all of it could be.
  private func start(
    _ definitions: [HandlerDefinition], until stop: () -> Bool,
    _ started: (any ProjectAccess & Sendable) -> Void
  ) throws(Diagnostic) -> Bool {
    let isReady = try whenPossible(until: stop) { () throws(Diagnostic) in
      let archive = HandlerArchive(project)
      for definition in definitions { try archive.mend(definition) }
      // Before anything runs: a script that cannot go on with its open instances changes nothing.
      let open = OpenInstances(paths: project.paths, files: project.files, catalog: project.catalog)
      let problems = try open.problems(of: Set(definitions.map(\.name)))
      if let refusal = problems.first(where: { $0.severity == .error }) { throw refusal }
      try KeptScripts(project).begin(
        project.loaded, only: options.only, archive: archive, clock: project.clock,
        randomness: project.randomness)
      for told in try LeftFiles(project: project, archive: archive).putAway() { inbox.put(.problem(told)) }
      for definition in definitions {
        if let back = try archive.takeBack(definition) { inbox.put(.problem(back.note(definition))) }
      }
      if maintainer == nil { try startMaintainer() }
      for offer in try MendedHandlers(project).offers(definitions) { inbox.put(.problem(offer)) }
    }
    guard isReady, try startHandlers(definitions, until: stop) else { return false }
    try startReloading()
    let access = RunningAccess(
      project, running: running, bell: bell, progressed: progressed, reloading: reloading)
    let isServed = try whenPossible(until: stop) { () throws(Diagnostic) in
      if server == nil { server = try ControlServer(folder: project.paths.cache) { access } }
      guard options.ingests else { return }
      ingest = try IngestThreads(project, once: options.once, strict: options.strict, bell: bell)
    }
    if isServed { started(access) }
    return isServed
  }

  /// Does it again and again while the system is short of what it needs; false when it is to end before.
  private func whenPossible(
    until stop: () -> Bool, _ body: () throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Bool {
    var isTold = false
    while true {
      do throws(Diagnostic) {
        try body()
        return true
      } catch {
        guard error.isPassing else { throw error }
        if !isTold { try observer.problem(error.asWarning) }
        isTold = true
      }
      try deliver()
      if stop() { return false }
      project.clock.sleep(for: Limits.fullDiskPause)
    }
  }

  private func startMaintainer() throws(Diagnostic) {
    let maintainer = WorkerThread(
      name: "index", pause: StagePause(project.segmentedLog.maintainer), progressed: {},
      failed: { [inbox] in inbox.put(.problem($0)) },
      make: { [project] in project.segmentedLog.maintainer })
    try maintainer.start()
    self.maintainer = maintainer
  }

  /// A run that goes to its end does so by the scripts that it began with.
  private func startReloading() throws(Diagnostic) {
    guard !options.once, let running, let effects else { return }
    let inbox = self.inbox
    let reloading = Reloading(
      project, running, effects, only: options.only, told: { inbox.put(.reloaded($0)) },
      report: { inbox.put(.problem($0)) })
    self.reloading = reloading
    let watch = ScriptWatch(
      project, reloading, watches: options.watch, asked: options.reloadsAsked,
      failed: { inbox.put(.problem($0)) })
    let thread = WorkerThread(
      name: "scripts", pause: StagePause(watch), progressed: {}, failed: { inbox.put(.problem($0)) },
      make: { watch })
    try thread.start()
    scriptWatch = thread
  }

  private func chosen() throws(Diagnostic) -> [HandlerDefinition] {
    guard let only = options.only else { return project.catalog.definitions }
    let known = project.catalog.definitions.map(\.name) + project.catalog.deciders.map(\.name)
    for name in only.sorted() where !known.contains(name) {
      let near = Suggestion.nearest(to: name, among: known)
      throw Diagnostic(
        .noSuchHandler, "there is no handler \(name)", help: near.map { "did you mean \($0)?" })
    }
    return project.catalog.definitions.filter { only.contains($0.name) }
  }

  /// False when it is to end before all of them could be started.
  private func startHandlers(
    _ definitions: [HandlerDefinition], until stop: () -> Bool
  ) throws(Diagnostic) -> Bool {
    let inbox = self.inbox
    var surroundings = HandlerSurroundings(
      clock: project.clock, randomness: project.randomness, report: { inbox.put(.problem($0)) },
      print: { handler, event, text in inbox.put(.printed("\(handler) \(event): \(text)")) })
    surroundings.missed = { inbox.put(.missed($0)) }
    surroundings.batchRecords = options.batchRecords
    let effects = EffectThread(
      project.paths, project.settings.defaults.effects, failed: { inbox.put(.problem($0)) })
    self.effects = effects
    if let unset = effects.unset, definitions.contains(where: { $0.kind == .consumer }) {
      try observer.problem(unset)
    }
    let setting = HandlerGroup.Setting(
      project: project, catalog: project.catalog, surroundings: surroundings, bell: bell,
      progressed: progressed, performer: effects,
      circuits: circuits, patience: options.once ? Limits.circuitPatienceOnce : Limits.circuitPatience)
    let running = RunningGroups(setting)
    self.running = running
    for definition in definitions {
      let hasStarted = try whenPossible(until: stop) { () throws(Diagnostic) in
        try FormerVersions(project).start(
          definition, in: running, keepsUp: !options.once || options.asks != nil)
      }
      if !hasStarted { return false }
      if let request = options.asks, request.name == definition.name {
        try RebuildDesk(project: project, running: running, progressed: progressed).begin(request)
      }
    }
    for decider in project.catalog.deciders where options.only?.contains(decider.name) ?? true {
      let hasStarted = try whenPossible(until: stop) { () throws(Diagnostic) in
        try running.start(decider)
      }
      if !hasStarted { return false }
    }
    return true
  }

  // MARK: Watching

  /// Until it is done (true) or is asked to stop (false).
  private func watch(until stop: () -> Bool) throws(Diagnostic) -> Bool {
    while true {
      try deliver()
      if let failure = ingest?.failure { throw failure }
      var isCaughtUp = options.once || !isAdvanced ? try isCaughtUp() : false
      if isCaughtUp, !isAdvanced {
        try advanceTime()
        isCaughtUp = false
      }
      let progress = progress(isCaughtUp)
      if progress.isCaughtUp { try tellMissed() }
      try observer.progress(progress)
      if metrics?.isDue == true { try writeMetrics(progress.isCaughtUp) }
      if options.once {
        if isCaughtUp, options.once { return true }
        if let failure = groups.lazy.compactMap(\.failedRebuild).first {
          try deliver()
          throw failure
        }
        if let halted = groups.lazy.compactMap(\.halted).first ?? deciders.lazy.compactMap(\.halted).first {
          try deliver()
          // This one is told by being thrown.
          for other in halts where other != halted { try observer.problem(other) }
          throw halted
        }
        let ended =
          groups.first { $0.hasEnded }?.definition.name ?? deciders.first { $0.hasEnded }?.definition.name
        if let ended {
          try deliver()
          throw Diagnostic(.noSuchHandler, "handler \(ended) ended early", help: "moontide doctor")
        }
      }
      if stop() { return false }
      project.clock.sleep(for: pause)
    }
  }

  /// Once all is handled: the log says that event time has come so far, which sagas meet as they meet events.
  private func advanceTime() throws(Diagnostic) {
    guard let until = options.until else { return }
    let log = project.log
    try LogError.told { () throws(LogError) in
      let batch = DraftBatch()
      TimerRecord.advance(to: until, topic: try log.topic(.timers, partitions: 1).id, into: batch)
      // A repeat is one of an earlier run: event time has come that far before.
      _ = try log.append(AppendRequest(batch: batch))
      try log.flush()
    }
    isAdvanced = true
    bell.ring()
  }

  /// Everything that is in files is in the log, every handler has come to its end, every outbox is relayed,
  /// every effect done or dead. The result of an effect is in the log before the ledger has it as done.
  private func isCaughtUp() throws(Diagnostic) -> Bool {
    guard isIngested else { return false }
    let end = project.log.durableEnd
    guard isDone(at: end) else { return false }
    for group in groups where group.definition.kind != .projection {
      do throws(Diagnostic) {
        if try HandlerSurvey.isUnsettled(project, group.definition) { return false }
      } catch {
        // It cannot be known for now; the workers that meet the same say so.
        if error.isPassing { return false }
        throw error
      }
    }
    return isIngested && project.log.durableEnd == end && isDone(at: end)
  }

  private func isDone(at end: Position) -> Bool {
    groups.allSatisfy { $0.isDone(at: end) } && deciders.allSatisfy { $0.isDone(at: end) }
  }

  private var isIngested: Bool { !options.ingests || ingest?.isCaughtUp == true }

  private func progress(_ isCaughtUp: Bool) -> RunProgress {
    let end = project.log.durableEnd.value
    let counts = ingest?.counts ?? IngestCounts()
    var total = end
    if counts.bytesDone > 0, counts.bytesTotal > counts.bytesDone {
      // What is still in files, at the size that lines had so far.
      let perByte = Double(counts.events + counts.commands + counts.repeats) / Double(counts.bytesDone)
      total += UInt64(Double(counts.bytesTotal - counts.bytesDone) * perByte)
    }
    let positions = groups.map(\.position) + deciders.map(\.board.status.position)
    let done = positions.min()?.value ?? end
    var progress = RunProgress(
      done: min(done, total), total: total,
      isCaughtUp: isCaughtUp || (isIngested && done >= end))
    progress.rebuilds = groups.compactMap(\.rebuild)
    return progress
  }

  /// Why handlers stopped.
  private var halts: [Diagnostic] {
    groups.flatMap(\.boards).compactMap(\.status.halted) + deciders.compactMap(\.halted)
  }

  private func writeMetrics(_ isCaughtUp: Bool) throws(Diagnostic) {
    guard let metrics else { return }
    let size = project.segmentedLog.statistics()
    let snapshot = MetricsFile.Snapshot(
      log: project.log, segments: size.segments, segmentBytes: size.segmentBytes,
      ingest: ingest?.counts ?? IngestCounts(), isCaughtUp: isCaughtUp, groups: groups,
      openCircuits: circuits.open.count)
    if let problem = metrics.write(snapshot) { try observer.problem(problem) }
  }

  private func deliver() throws(Diagnostic) {
    for problem in ingest?.newProblems() ?? [] { try observer.problem(problem) }
    for item in inbox.take() {
      switch item {
      case .problem(let problem):
        if options.once, halts.contains(problem) { continue }
        try observer.problem(problem)
      case .printed(let text): try observer.printed(text)
      case .missed(let field): missed.append(field)
      case .reloaded(let report): try observer.reloaded(report)
      }
    }
  }

  /// Once everything is in the log: only then is it known that no event has a field.
  private func tellMissed() throws(Diagnostic) {
    guard !missed.isEmpty else { return }
    let warnings = try FieldCensus(log: project.log, catalog: project.catalog).warnings(missed)
    missed = []
    for warning in warnings { try observer.problem(warning) }
  }

  /// Nobody would ever hear of commands whose decider was removed.
  private func tellStranded(_ report: RunReport) throws(Diagnostic) {
    var waiting = StrandedCommands.undecided(in: project.log)
    guard waiting > 0 else { return }
    // Those that their deciders have before them are decided by the next run.
    let summaries = try HandlerSurvey(project, deciders: deciders).deciderSummaries()
    let lag = summaries.reduce(0) { $0 + $1.lag }
    guard waiting > lag else { return }
    waiting -= lag
    let deadline = project.clock.monotonic + Limits.checkTime
    let found = try LogError.told { () throws(LogError) in
      try StrandedCommands.find(in: project.log, project.catalog) { project.clock.monotonic > deadline }
    }
    guard found?.count != 0 else { return }
    try observer.problem(StrandedCommands.warning(found?.text ?? StrandedCommands.text(waiting)))
  }

  /// Ingest first, so that nothing new comes; then the handlers, each at the end of its batch.
  private func stopAll(settled: Bool) {
    if isStopped { return }
    isStopped = true
    ingest?.stop()
    running?.stop(settled: settled)
    scriptWatch?.stop()
    scriptWatch?.join()
    effects?.stop()
    maintainer?.stop()
    maintainer?.join()
  }
}
