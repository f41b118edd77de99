import MoontideLog

/// Wakes threads: each ring counts, and a waiter sleeps only while nothing has rung since it looked.
final class Bell: WorkerPause, @unchecked Sendable {
  // Unchecked: the counter is only touched behind the gate.
  private let gate = Gate()
  private var rings: UInt64 = 0
  /// What else rings when it does.
  private var followers: [Bell] = []

  /// How often it rang; taken before looking for work, so that no ring is missed.
  var count: UInt64 { gate.locked { rings } }

  func ring() {
    let followers = gate.locked {
      rings += 1
      gate.wakeAll()
      return self.followers
    }
    for follower in followers { follower.ring() }
  }

  /// From now on `other` rings whenever this one does; it lives as long.
  func bring(_ other: Bell) { gate.locked { followers.append(other) } }

  func wake() { ring() }

  /// Sleeps until it has rung more than `seen` times, at most for `duration`.
  func wait(past seen: UInt64, for duration: Duration) {
    let deadline = Gate.deadline(after: duration)
    gate.locked {
      while rings <= seen {
        if !gate.wait(until: deadline) { break }
      }
    }
  }
}
