import MoontideLog

/// Wakes threads: each ring counts, and a waiter sleeps only while nothing has rung since it looked.
final class Bell: WorkerPause, @unchecked Sendable {
  // Unchecked: the counter is only touched behind the gate.
  private let gate = Gate()
  private var rings: UInt64 = 0

  /// How often it rang; taken before looking for work, so that no ring is missed.
  var count: UInt64 { gate.locked { rings } }

  func ring() {
    gate.locked {
      rings += 1
      gate.wakeAll()
    }
  }

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
