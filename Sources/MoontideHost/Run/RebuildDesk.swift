import MoontideCore
import MoontideRuntime

/// Has a read model rebuilt as a person asks, and waits for it: beside a run by the run's own threads, else
/// in a run of that projection alone.
struct RebuildDesk {
  let project: MoontideProject
  /// The handlers at work; nil when nothing runs.
  let running: RunningGroups?
  let progressed: Bell

  func run(
    _ request: RebuildRequest, observer: any RebuildObserver
  ) throws(Diagnostic) -> RebuildOutcome {
    let definition = try definition(request.name)
    guard let running else { return try alone(definition, request, observer) }
    let before = running.group(.projection, definition.name)
    let swaps = before?.swaps ?? 0
    try begin(request)
    try running.wait(for: definition.name, from: before, swaps, observer, progressed)
    return try outcome(definition)
  }

  /// Has it begun; returns then.
  func begin(_ request: RebuildRequest) throws(Diagnostic) {
    let definition = try definition(request.name)
    guard let running, let group = running.group(.projection, definition.name) else {
      throw Diagnostic(
        .noSuchHandler, "projection \(definition.name) is not among the handlers that run",
        help: "stop the run, or start it without --only")
    }
    switch request.action {
    case .rebuild:
      try write(.rebuild, to: definition.scriptVersion, definition, group)
      _ = try running.rebuild(definition, running.setting, .anew)
    case .rollBack: try rollBack(definition, running, group)
    }
  }

  /// The former read model goes on from where it was left, by the scripts that it was folded by, and takes
  /// the place of the one in use, which is the former one then.
  private func rollBack(
    _ definition: HandlerDefinition, _ running: RunningGroups, _ group: HandlerGroup
  ) throws(Diagnostic) {
    let name = definition.name
    let former = FormerVersions(project)
    let identity = try former.identity(project.paths.previous(name))
    guard let identity, identity.handler == name, identity.kind == .projection else {
      let isRenamed = identity?.kind == .projection && identity?.handler == definition.was
      throw Diagnostic(
        .rebuild, "projection \(name) has no former read model to go back to",
        help: isRenamed
          ? "the one before is of its old name: put that script back, with was = \"\(name)\""
          : "each rebuild leaves the one that it took the place of; there was none, or it was put back")
    }
    let version: FormerVersions.Version?
    if identity.scriptVersion == definition.scriptVersion {
      version = FormerVersions.Version(definition: definition, catalog: project.catalog)
    } else {
      version = try former.version(name, identity.scriptVersion)
    }
    guard let version else {
      throw Diagnostic(
        .rebuild, "the scripts of version \(identity.scriptVersion) of projection \(name) are not kept",
        help: "put the script back that it was folded by, then moontide projection rollback \(name)")
    }
    try group.cancelRebuild()
    try write(.rollback, to: identity.scriptVersion, definition, group)
    _ = try running.rebuild(version.definition, running.setting.with(version.catalog), .previous)
  }

  /// Has a read model that runs folded anew, since more was decided about its dead letters than it follows;
  /// by the version that serves, or is on its way. Returns when that has begun; false when it does not run.
  func follow(_ definition: HandlerDefinition) throws(Diagnostic) -> Bool {
    guard let running, running.group(.projection, definition.name) != nil else { return false }
    if let back = try FormerVersions(project).rolledBack(definition) {
      return try running.rebuild(back.definition, running.setting.with(back.catalog), .anew)
    }
    return try running.rebuild(definition, running.setting, .anew)
  }

  /// Before anything of it happens: a run that is killed goes on to it.
  private func write(
    _ request: RollbackRecord.Request, to version: String, _ definition: HandlerDefinition,
    _ group: HandlerGroup
  ) throws(Diagnostic) {
    let record = RollbackRecord(
      request, name: definition.name, version: version, instead: definition.scriptVersion,
      previous: group.definition.scriptVersion)
    let (log, randomness) = (project.log, project.randomness)
    try LogError.told { () throws(LogError) in
      let batch = DraftBatch()
      let id = "\(String(randomness.next(), radix: 16))-\(String(randomness.next(), radix: 16))"
      record.draft(id: id, topic: try log.topic(.reloads, partitions: 1).id, into: batch)
      _ = try log.append(AppendRequest(batch: batch))
      try log.flush()
    }
  }

  private func definition(_ name: String) throws(Diagnostic) -> HandlerDefinition {
    let catalog = project.catalog
    if let found = catalog.definition(name), found.kind == .projection { return found }
    let names = catalog.definitions.filter { $0.kind == .projection }.map(\.name)
    let near = Suggestion.nearest(to: name, among: names)
    throw Diagnostic(
      .noSuchHandler, "there is no projection \(name)", help: near.map { "did you mean \($0)?" })
  }

  /// Nothing runs: the projection does, until that is done.
  private func alone(
    _ definition: HandlerDefinition, _ request: RebuildRequest, _ observer: any RebuildObserver
  ) throws(Diagnostic) -> RebuildOutcome {
    var options = RunOptions()
    options.once = true
    options.ingests = false
    options.only = [definition.name]
    options.asks = request
    _ = try project.run(options, observer: RebuildWatch(observer), until: { false })
    return try outcome(definition)
  }

  private func outcome(_ definition: HandlerDefinition) throws(Diagnostic) -> RebuildOutcome {
    guard let entry = try HandlerSurvey(project).entry(definition) else {
      throw Diagnostic(.rebuild, "projection \(definition.name) has no read model")
    }
    return RebuildOutcome(
      name: definition.name, version: entry.identity.scriptVersion,
      position: entry.ledger.checkpoints.values.max() ?? .start)
  }
}

extension RunningGroups {
  /// Waits until what was folded beside has its place.
  /// - Parameters:
  ///   - before: the projection as it was at work before that began.
  ///   - swaps: what it had seen of them.
  fileprivate func wait(
    for name: String, from before: HandlerGroup?, _ swaps: Int, _ observer: any RebuildObserver,
    _ progressed: Bell
  ) throws(Diagnostic) {
    while true {
      let seen = progressed.count
      guard let now = group(.projection, name) else { break }
      if let failure = now.failedRebuild { throw failure }
      if let halted = now.halted { throw halted }
      if !now.isRebuilding, now !== before || now.swaps > swaps { return }
      guard !hasEnded, now.isRebuilding || now !== before else { break }
      if let status = now.rebuild { try observer.progress(status) }
      progressed.wait(past: seen, for: .milliseconds(200))
    }
    throw Diagnostic(
      .rebuild, "projection \(name) was not rebuilt: the run ended first, or its script was edited",
      help: "moontide handlers shows how it stands; a rebuild that was begun goes on with the next run")
  }
}

/// Hands the progress of a run on.
private final class RebuildWatch: RunObserver {
  private let observer: any RebuildObserver

  init(_ observer: any RebuildObserver) { self.observer = observer }

  func progress(_ progress: RunProgress) throws(Diagnostic) {
    for status in progress.rebuilds { try observer.progress(status) }
  }

  func problem(_ problem: Diagnostic) throws(Diagnostic) {
    if problem.isPassing { try observer.problem(problem) }
  }

  func printed(_ text: String) throws(Diagnostic) {}
}
