import Synchronization

/// Where performers leave what ended, and the relay finds it. Any thread.
final class EffectInbox: Sendable {
  private let ended = Mutex<[(sequence: UInt64, outcome: EffectOutcome)]>([])
  private let wake: @Sendable () -> Void

  init(_ wake: @escaping @Sendable () -> Void) { self.wake = wake }

  func put(_ sequence: UInt64, _ outcome: EffectOutcome) {
    ended.withLock { $0.append((sequence, outcome)) }
    wake()
  }

  /// Everything that came since the last call.
  func take() -> [(sequence: UInt64, outcome: EffectOutcome)] {
    ended.withLock { ended in
      defer { ended.removeAll(keepingCapacity: true) }
      return ended
    }
  }
}
