import MoontideCore
import MoontideHost

/// Tells how far folding is, and ends it when somebody stops the statement.
final class ReplObserver: PastObserver {
  private let reporter: PastReporter

  init(_ session: ReplSession) { reporter = PastReporter(session.commands) }

  /// Said once, when the moment is set.
  func resolved(_ text: String) throws(Diagnostic) {}

  func note(_ text: String) throws(Diagnostic) { try reporter.note(text) }

  func folding(_ name: String, done: UInt64, total: UInt64) throws(Diagnostic) {
    if ReplSignals.cancellation.isCancelled {
      try reporter.folded(name)
      throw Diagnostic(code: HostCode.query.code, "the query was stopped")
    }
    try reporter.folding(name, done: done, total: total)
  }

  func folded(_ name: String) throws(Diagnostic) { try reporter.folded(name) }
}
