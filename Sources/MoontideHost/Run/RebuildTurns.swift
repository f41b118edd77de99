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

  /// The turn of one who may have it. Owned by one thread; it is given back with the object.
  final class Turn {
    private let turns: RebuildTurns?
    private var isTaken = false

    /// - Parameter turns: nil: nobody else is there.
    init(_ turns: RebuildTurns?) { self.turns = turns }

    deinit { giveBack() }

    /// Whether he has it now.
    func take() -> Bool {
      if !isTaken { isTaken = turns?.take() ?? true }
      return isTaken
    }

    func giveBack() {
      if isTaken { turns?.giveBack() }
      isTaken = false
    }
  }
}
