import MoontideSQLite
import Synchronization

/// What the thread of one version of a projection and others tell each other.
package final class ProjectionSigns: Sendable {
  private let opened = Atomic<Bool>(false)
  private let rebuilding = Atomic<Bool>(false)
  private let leaving = Atomic<Bool>(false)
  private let claimed = Atomic<Bool>(false)

  /// Of what is folded beside.
  let lost = LostBatch()

  package init() {}

  /// Whether it has found out which file it works on.
  package var hasOpened: Bool {
    get { opened.load(ordering: .acquiring) }
    set { opened.store(newValue, ordering: .releasing) }
  }

  /// Whether it is folded beside the read model in use.
  package var isRebuilding: Bool {
    get { rebuilding.load(ordering: .acquiring) }
    set { rebuilding.store(newValue, ordering: .releasing) }
  }

  /// Whether its end makes room for another version, which waits.
  package var isLeaving: Bool {
    get { leaving.load(ordering: .acquiring) }
    set { leaving.store(newValue, ordering: .releasing) }
  }

  /// Of a version that serves: takes the file beside it, for itself (to make its own anew) or for another
  /// version. False when it is taken: there is one such file.
  func claimBeside() -> Bool {
    claimed.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
  }

  func releaseBeside() { claimed.store(false, ordering: .releasing) }
}
