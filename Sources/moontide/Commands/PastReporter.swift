import ArgumentParser
import MoontideCore
import MoontideHost

/// Tells on stderr what a question about the past came to, and how far its folding is.
final class PastReporter: PastObserver {
  private let session: CommandSession
  private var bar: (name: String, bar: ProgressBar)?

  init(_ session: CommandSession) { self.session = session }

  func resolved(_ text: String) throws(Diagnostic) {
    try told { () throws(OutputClosed) in try session.note(text) }
  }

  func note(_ text: String) throws(Diagnostic) {
    try told { () throws(OutputClosed) in try session.note("note: \(text)") }
  }

  func folding(_ name: String, done: UInt64, total: UInt64) throws(Diagnostic) {
    let options = session.options
    if bar?.name != name {
      let made = ProgressBar(
        "fold \(name)", unit: "events", to: StreamSink.standardError(),
        terminal: .standardError(options.color), quiet: options.quiet, clock: SystemSurroundings.clock)
      bar = (name, made)
    }
    try told { [bar] () throws(OutputClosed) in try bar?.bar.update(done: done, total: total) }
  }

  func folded(_ name: String) throws(Diagnostic) {
    try told { [bar] () throws(OutputClosed) in try bar?.bar.finish() }
    bar = nil
  }

  private func told(_ body: () throws(OutputClosed) -> Void) throws(Diagnostic) {
    do throws(OutputClosed) { try body() } catch {
      throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
    }
  }
}
