import MoontideCore
import MoontideRuntime

/// A project that this process holds, running or not. Any thread; each call stands for itself.
final class RunningAccess: ProjectAccess, Sendable {
  private let project: MoontideProject
  private let running: RunningGroups?
  private var groups: [HandlerGroup] { running?.all ?? [] }
  private var deciders: [DeciderGroup] { running?.deciders ?? [] }
  private let bell: Bell
  private let progressed: Bell
  private let desk: CommandDesk
  /// Stops queries.
  private let cancellation: QueryCancellation?
  private let reloading: Reloading?

  /// - Parameters:
  ///   - running: the handlers at work; nil when nothing runs.
  ///   - bell: rung when something was published.
  ///   - progressed: rings when a handler has come further.
  ///   - reloading: takes up edited scripts; nil when nothing runs, or it runs to its end.
  init(
    _ project: MoontideProject, running: RunningGroups? = nil,
    bell: Bell = Bell(), progressed: Bell = Bell(), reloading: Reloading? = nil,
    cancellation: QueryCancellation? = nil
  ) {
    self.reloading = reloading
    self.project = project
    self.cancellation = cancellation
    self.running = running
    self.bell = bell
    self.progressed = progressed
    desk = CommandDesk(project: project, running: running)
  }

  func query(_ request: QueryRequest, to sink: any RowSink) throws(Diagnostic) {
    try request.requireToken(of: project.log)
    if let after = request.after { try wait(past: after, for: request.timeout) }
    let tables = SystemTables(
      survey: HandlerSurvey(project, groups: groups, deciders: deciders), log: project.log,
      outline: project.outline)
    try QuerySession(
      paths: project.paths, files: project.files, clock: project.clock, tables: tables.all,
      tableFault: tables.fault, log: project.log, cancellation: cancellation
    )
    .run(request, to: sink)
  }

  func append(_ request: PublishRequest) throws(Diagnostic) -> PublishOutcome {
    precondition(!request.topic.isSystem, "events do not go to \(request.topic)")
    let partitions = project.settings.partitions
    return try EventPublisher(
      log: project.log, catalog: project.catalog, partitions: { partitions[$0] },
      published: { [bell] in bell.ring() }
    ).publish(request)
  }

  func send(_ request: SendRequest) throws(Diagnostic) -> SendOutcome {
    try requireScripts()
    // Whoever decided has told that the log has grown.
    return try desk.send(request)
  }

  func state(
    _ request: StateRequest, to sink: any RowSink, observer: any MomentObserver
  ) throws(Diagnostic) {
    try requireScripts()
    try StateReader(
      log: project.log, catalog: project.catalog, clock: project.clock, randomness: project.randomness
    )
    .run(request, to: sink, observer: observer)
  }

  /// A stream folded without a script that does not load, such as an upcaster, would be another one; nobody
  /// decides on it.
  private func requireScripts() throws(Diagnostic) {
    if let wrong = project.warnings.first(where: { $0.severity == .error }) { throw wrong }
  }

  func export(_ request: ExportRequest, to sink: any ByteSink) throws(Diagnostic) {
    try EventExporter(log: project.log).export(request, to: sink)
  }

  func decide(_ request: DeadRequest, to sink: any RowSink) throws(Diagnostic) {
    try Redrive(project: project, running: running, bell: bell, progressed: progressed).run(request, to: sink)
  }

  func perform(_ request: EffectsRequest, to sink: any RowSink) throws(Diagnostic) {
    try EffectRetry(project: project, running: running, progressed: progressed).run(request, to: sink)
  }

  func decide(_ request: SagaRequest, to sink: any RowSink) throws(Diagnostic) {
    try SagaDesk(project: project, running: running, bell: bell, progressed: progressed).run(
      request, to: sink)
  }

  func reload(_ request: ReloadRequest) throws(Diagnostic) -> ReloadReport {
    guard let reloading else {
      throw Diagnostic(
        .reload, "a run with --once goes to its end by the scripts that it began with",
        help: "the next run takes the edited ones up")
    }
    return try reloading.take(request)
  }

  func rebuild(
    _ request: RebuildRequest, observer: any RebuildObserver
  ) throws(Diagnostic) -> RebuildOutcome {
    try requireScripts()
    return try RebuildDesk(project: project, running: running, progressed: progressed).run(
      request, observer: observer)
  }

  /// Until every handler's committed place is past the token.
  private func wait(past token: Position, for timeout: Duration) throws(Diagnostic) {
    let deadline = project.clock.monotonic + timeout
    while true {
      let seen = progressed.count
      guard let behind = groups.first(where: { $0.position < token }) else {
        if groups.isEmpty { try checkFiles(token) }
        return
      }
      let now = project.clock.monotonic
      if now >= deadline || behind.halted != nil {
        throw Diagnostic(
          .afterToken,
          "\(behind.definition.kind.rawValue) \(behind.definition.name) has come to \(behind.position), "
            + "not past \(token)"
        )
      }
      progressed.wait(past: seen, for: deadline - now)
    }
  }

  /// Nothing runs: what the files say is all there will be.
  private func checkFiles(_ token: Position) throws(Diagnostic) {
    // A decider has nothing that a query reads.
    for handler in try HandlerSurvey(project).summaries()
    where handler.kind != .decider && handler.checkpoint < token {
      throw Diagnostic(
        .afterToken,
        "\(handler.kind.rawValue) \(handler.name) has come to \(handler.checkpoint), not past \(token), "
          + "and nothing runs"
      )
    }
  }
}

extension QueryRequest {
  /// A token is durable when it is given out: the log reaches it, unless it is another project's.
  func requireToken(of log: any EventLog) throws(Diagnostic) {
    guard let after, after > log.durableEnd else { return }
    throw Diagnostic(
      .afterToken, "there is no token \(after): the log ends before \(log.durableEnd)",
      help: "it is what append or send printed for this project")
  }
}
