import MoontideCore
import MoontideRuntime
import Synchronization

/// Remembers that an event took longer than its budget of time.
final class TimeTrip: Sendable {
  private let first = Mutex<Diagnostic?>(nil)

  func note(_ problem: Diagnostic) {
    guard problem.code == RuntimeCode.timeBudget.rawValue else { return }
    first.withLock { $0 = $0 ?? problem }
  }

  var fault: Diagnostic? { first.withLock { $0 } }
}
