import MoontideCore
import MoontideHost

/// What makes two failures the same to a reader: one place in a script, whatever the event.
private struct Fault: Hashable {
  /// Such as `error[E0301] of consumer receipts at handlers/receipts.lua:24`.
  let name: String
  /// The last attempt tells something new.
  let isDead: Bool

  init(_ problem: Diagnostic) {
    isDead = problem.details.contains { $0.label == "help" && $0.text.contains("dead show") }
    let kind = "\(problem.severity.rawValue)[\(problem.code)]"
    if problem.severity == .error, problem.code.hasPrefix("E03"), let place = problem.place {
      let who = problem.title.split(separator: " ").prefix(2).joined(separator: " ")
      name = "\(kind) of \(who) at \(place.file):\(place.line)"
    } else {
      // Why an effect was given up differs from one to the next: whom it went to is what they have in common.
      let ends = [" was given up", " is left alone"].compactMap {
        problem.title.firstRange(of: $0)?.upperBound
      }
      name = "\(kind): \(problem.title[..<(ends.first ?? problem.title.endIndex)])"
    }
  }
}

/// What a person sees of a run: the bar while it catches up, failures as they happen, the sum at the end.
/// Called by the thread of the run alone.
final class RunWatcher: RunObserver {
  private let options: GlobalOptions
  private let errors = StreamSink.standardError()
  private let bar: ProgressBar
  /// While read models are rebuilt beside those that serve.
  private var rebuildBar: ProgressBar?
  private let renderer: DiagnosticRenderer
  private var failures = 0
  /// How often each fault came.
  private var seen: [Fault: Int] = [:]
  private var repeated = 0
  private var catchingUp = true
  private let tails: Bool

  /// - Parameter tails: whether the run goes on when everything is applied.
  init(_ options: GlobalOptions, tails: Bool) {
    self.options = options
    self.tails = tails
    renderer = options.diagnosticRenderer()
    bar = ProgressBar(
      "run", unit: "events", to: StreamSink.standardError(), terminal: .standardError(options.color),
      quiet: options.quiet, clock: SystemSurroundings.clock)
  }

  func progress(_ progress: RunProgress) throws(Diagnostic) {
    try told { () throws(OutputClosed) in
      if progress.isCaughtUp {
        if catchingUp {
          try bar.finish()
          if tails, !options.quiet {
            try errors.write("caught up; new lines are taken as they come, Ctrl-C ends the run\n")
          }
        }
        catchingUp = false
      } else if catchingUp {
        try bar.update(done: progress.done, total: progress.total)
      }
      if !catchingUp { try show(progress.rebuilds) }
    }
  }

  /// Of several the one that is furthest behind.
  private func show(_ rebuilds: [RebuildStatus]) throws(OutputClosed) {
    guard let last = rebuilds.min(by: { $0.position < $1.position }) else {
      try rebuildBar?.finish()
      rebuildBar = nil
      return
    }
    let bar = rebuildBar ?? makeBar("rebuild")
    rebuildBar = bar
    try bar.update(done: min(last.position, last.end).value, total: last.end.value)
  }

  private func makeBar(_ label: String) -> ProgressBar {
    ProgressBar(
      label, unit: "events", to: errors, terminal: .standardError(options.color), quiet: options.quiet,
      clock: SystemSurroundings.clock)
  }

  func problem(_ problem: Diagnostic) throws(Diagnostic) {
    if problem.severity == .note {
      if options.quiet { return }
      return try told { () throws(OutputClosed) in try errors.write(renderer.render(problem)) }
    }
    let fault = Fault(problem)
    let times = (seen[fault] ?? 0) + 1
    // Bounded: a script may fail in more places than anyone reads of.
    if times == 1, seen.count >= Limits.faultsToldApartMax { return }
    seen[fault] = times
    if times > 1 {
      repeated += 1
      // Once is enough: one handler that fails on every event must not hide how another one fails.
      if times == 2 {
        try told { () throws(OutputClosed) in
          try errors.write("note: \(fault.name) again; from here on it is counted, not shown\n")
        }
      }
      return
    }
    failures += 1
    if failures > Limits.failuresShownMax { return }
    try told { () throws(OutputClosed) in
      try errors.write(renderer.render(problem))
      if failures == Limits.failuresShownMax {
        try errors.write("note: more failures are not shown; moontide dead ls has all of them\n")
      }
    }
  }

  func printed(_ text: String) throws(Diagnostic) {
    try told { () throws(OutputClosed) in try errors.write(text + "\n") }
  }

  /// An edit is told whole each time, whatever was told before.
  func reloaded(_ report: ReloadReport) throws(Diagnostic) {
    seen.removeAll()
    failures = 0
    try told { () throws(OutputClosed) in
      if !report.problems.isEmpty { try errors.write(renderer.render(report.problems)) }
      if report.isRefused {
        try errors.write("not reloaded: nothing was taken up, everything goes on as it was\n")
      } else if !report.rows.isEmpty, !options.quiet {
        let parts = report.rows.map { row in
          "\(row.kind) \(row.name)\(row.version.isEmpty ? "" : " \(row.version)") \(row.follows)"
        }
        try errors.write("reloaded: \(parts.joined(separator: " · "))\n")
      }
    }
  }

  /// The sum of the run.
  func finish(_ report: RunReport) throws(OutputClosed) {
    if catchingUp { try bar.finish() }
    if !options.quiet {
      var line = "ingested \(Figures.counted(report.ingested, "event"))"
      if report.commands > 0 { line += " and \(Figures.counted(report.commands, "command"))" }
      if report.repeats > 0 { line += " (and \(Figures.counted(report.repeats, "repeat")))" }
      try errors.write(line + "; log ends at \(report.end)\n")
      for decider in report.deciders { try errors.write(RunWatcher.line(decider)) }
      for handler in report.handlers {
        var line = "\(handler.kind.rawValue) \(handler.name): \(Figures.grouped(handler.applied)) applied"
        if handler.emitted > 0 { line += ", \(Figures.grouped(handler.emitted)) emitted" }
        if let done = report.doneEffects[handler.name], done > 0 {
          line += ", \(Figures.counted(done, "effect")) done"
        }
        if handler.dead > 0 { line += ", \(Figures.grouped(handler.dead)) dead" }
        if handler.held > 0 { line += ", \(Figures.grouped(handler.held)) held" }
        if handler.lag > 0 { line += ", \(Figures.grouped(handler.lag)) before it" }
        if let since = handler.degradedSince { line += ", degraded since \(since)" }
        try errors.write(line + "\n")
      }
    }
    if repeated > 0, !options.quiet {
      try errors.write(
        "note: \(Figures.counted(UInt64(repeated), "more failure")) of these kinds not shown\n")
    }
    let bad = [(report.deadLetters, "dead letter"), (report.quarantined, "quarantined line")]
      .filter { $0.0 > 0 }.map { Figures.counted($0.0, $0.1) }
    if !bad.isEmpty {
      try errors.write("warning: \(bad.joined(separator: ", ")); moontide dead ls shows them\n")
    }
    if report.deadEffects > 0 {
      let dead = Figures.counted(report.deadEffects, "dead effect")
      try errors.write("warning: \(dead); moontide effects ls shows them\n")
    }
    if report.stuckSagas > 0 {
      let stuck = Figures.counted(report.stuckSagas, "instance")
      try errors.write(
        "warning: \(stuck) of sagas stuck; moontide saga ls shows them, saga retry tries them again\n")
    }
  }

  private static func line(_ decider: DeciderSummary) -> String {
    var parts = ["\(Figures.grouped(decider.accepted)) accepted"]
    if decider.rejected > 0 { parts.append("\(Figures.grouped(decider.rejected)) rejected") }
    if decider.failed > 0 { parts.append("\(Figures.grouped(decider.failed)) failed") }
    return "decider \(decider.name): \(parts.joined(separator: ", "))\n"
  }

  private func told(_ body: () throws(OutputClosed) -> Void) throws(Diagnostic) {
    do throws(OutputClosed) { try body() } catch {
      throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
    }
  }
}
