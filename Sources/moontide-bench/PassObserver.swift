import MoontideCore
import MoontideHost

/// Notes when the run has come through the log; failures are what it is about.
final class PassObserver: RunObserver {
  private let stopwatch = Stopwatch()
  private(set) var figure: Figure?

  func progress(_ progress: RunProgress) throws(Diagnostic) {
    if figure == nil, progress.isCaughtUp { figure = stopwatch.figure(events: Int(progress.total)) }
  }

  func problem(_ problem: Diagnostic) throws(Diagnostic) {}
  func printed(_ text: String) throws(Diagnostic) {}
}
