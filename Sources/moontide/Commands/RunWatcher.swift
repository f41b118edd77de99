import MoontideCore
import MoontideHost

/// What a person sees of a run: the bar while it catches up, failures as they happen, the sum at the end.
/// Called by the thread of the run alone.
final class RunWatcher: RunObserver {
  private let options: GlobalOptions
  private let errors = StreamSink.standardError()
  private let bar: ProgressBar
  private let renderer: DiagnosticRenderer
  private var failures = 0
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
    }
  }

  func problem(_ problem: Diagnostic) throws(Diagnostic) {
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

  /// The sum of the run.
  func finish(_ report: RunReport) throws(OutputClosed) {
    if catchingUp { try bar.finish() }
    if !options.quiet {
      var line = "ingested \(Figures.counted(report.ingested, "event"))"
      if report.repeats > 0 { line += " (and \(Figures.counted(report.repeats, "repeat")))" }
      try errors.write(line + "; log ends at \(report.end)\n")
      for handler in report.handlers {
        var line = "\(handler.kind.rawValue) \(handler.name): \(Figures.grouped(handler.applied)) applied"
        if handler.emitted > 0 { line += ", \(Figures.grouped(handler.emitted)) emitted" }
        if handler.dead > 0 { line += ", \(Figures.grouped(handler.dead)) dead" }
        if handler.held > 0 { line += ", \(Figures.grouped(handler.held)) held" }
        if handler.lag > 0 { line += ", \(Figures.grouped(handler.lag)) before it" }
        if let since = handler.degradedSince { line += ", degraded since \(since)" }
        try errors.write(line + "\n")
      }
    }
    if report.deadLetters + report.quarantined > 0 {
      try errors.write(
        "warning: \(Figures.counted(report.deadLetters, "dead letter")), "
          + "\(Figures.counted(report.quarantined, "quarantined line")); moontide dead ls shows them\n")
    }
  }

  private func told(_ body: () throws(OutputClosed) -> Void) throws(Diagnostic) {
    do throws(OutputClosed) { try body() } catch {
      throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
    }
  }
}
