import MoontideCore
import Synchronization

/// A clock that moves only when it is told to.
final class ManualClock: WallClock {
  private let elapsed = Mutex(Duration.zero)
  private let jumped = Mutex(Duration.zero)

  var now: EventTime {
    EventTime(
      microseconds: 1_760_000_000_000_000 + Int64((monotonic + jumped.withLock { $0 }) / .microseconds(1)))
  }
  /// Sets the time of day, forwards or back; `monotonic` knows nothing of it.
  func jump(by duration: Duration) { jumped.withLock { $0 += duration } }
  var monotonic: Duration { elapsed.withLock { $0 } }
  func sleep(for duration: Duration) { elapsed.withLock { $0 += duration } }
}

/// A generator that gives the same numbers for the same seed (SplitMix64).
final class SeededRandomness: Randomness {
  private let state: Mutex<UInt64>

  init(_ seed: UInt64) { state = Mutex(seed) }

  func next() -> UInt64 {
    state.withLock { state in
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  /// 0 to `bound - 1`.
  func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
