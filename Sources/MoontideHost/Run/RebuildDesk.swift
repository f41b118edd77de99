import MoontideCore
import MoontideRuntime

/// Has a read model rebuilt as a person asks, and waits for it: beside a run by the run's own threads, else in
/// a run of that projection alone.
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
    try running.rebuild(definition, observer, progressed)
    return try outcome(definition)
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
    options.rebuilds = true
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
  /// Rebuilds it and waits until it has its place.
  fileprivate func rebuild(
    _ definition: HandlerDefinition, _ observer: any RebuildObserver, _ progressed: Bell
  ) throws(Diagnostic) {
    func current() -> HandlerGroup? {
      all.first { $0.definition.name == definition.name && $0.definition.kind == .projection }
    }
    guard let group = current() else {
      throw Diagnostic(
        .noSuchHandler, "projection \(definition.name) is not among the handlers that run",
        help: "stop the run, or start it without --only")
    }
    let swaps = group.swaps
    let isRun = try rebuild(definition, setting, anew: true)
    while isRun {
      let seen = progressed.count
      guard let now = current() else { break }
      if let failure = now.failedRebuild { throw failure }
      if let halted = now.halted { throw halted }
      if !now.isRebuilding, now !== group || now.swaps > swaps { return }
      guard !hasEnded, now.isRebuilding || now !== group else { break }
      if let status = now.rebuild { try observer.progress(status) }
      progressed.wait(past: seen, for: .milliseconds(200))
    }
    throw Diagnostic(
      .rebuild,
      "projection \(definition.name) was not rebuilt: the run ended first, or its script was edited",
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

  func problem(_ problem: Diagnostic) throws(Diagnostic) {}
  func printed(_ text: String) throws(Diagnostic) {}
}
