import MoontideCore
import Synchronization

/// How many read models of a run are folded beside those in use at the same time: an edited upcaster, or a
/// module that all share, concerns every projection at once. Any thread.
package final class RebuildTurns: Sendable {
  private let free = Mutex(Limits.rebuildsAtOnce)

  package init() {}

  /// False while all are taken: it is to be asked again. Who is given one gives it back.
  func take() -> Bool {
    free.withLock { free in
      if free == 0 { return false }
      free -= 1
      return true
    }
  }

  func giveBack() { free.withLock { $0 += 1 } }
}
