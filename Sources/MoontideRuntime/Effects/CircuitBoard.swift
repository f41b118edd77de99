import MoontideCore
import Synchronization

/// The circuits of all targets of a run, shared by the handlers that have effects on them. Any thread.
public final class CircuitBoard: Sendable {
  private let circuits = Mutex<[String: Circuit]>([:])

  public init() {}

  /// Nil when a try may go through now, else when to ask again.
  func ask(_ target: String, at now: Duration) -> Duration? {
    circuits.withLock { $0[target]?.ask(at: now) }
  }

  func succeed(_ target: String) { circuits.withLock { _ = $0.removeValue(forKey: target) } }

  /// How long the target rests, when that is what this failure led to.
  @discardableResult func fail(_ target: String, at now: Duration, asked: Duration?) -> Duration? {
    circuits.withLock { circuits in
      // More targets than this at once are no targets any more: those beyond go without.
      if circuits[target] == nil, circuits.count >= Limits.circuitsMax { return nil }
      let wasOpen = circuits[target]?.isOpen ?? false
      circuits[target, default: Circuit()].fail(at: now, asked: asked)
      return wasOpen ? nil : circuits[target]?.rest(at: now)
    }
  }

  func leave(_ target: String, at now: Duration) {
    circuits.withLock { $0[target]?.leave(at: now) }
  }

  /// Targets that are left alone now, in order of name.
  public var open: [String] { circuits.withLock { $0.filter(\.value.isOpen).keys.sorted() } }
}
