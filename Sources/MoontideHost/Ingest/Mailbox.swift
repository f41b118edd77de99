import MoontideCore
import MoontideLog

/// A queue between two threads with room for so many elements. Never touched per event, only per batch.
///
/// `@unchecked Sendable`: everything mutable is touched behind the gate only.
final class Mailbox<Element: Sendable>: @unchecked Sendable {
  private let gate = Gate()
  private var elements: [Element] = []
  private var isWoken = false
  private let capacity: Int

  init(capacity: Int) { self.capacity = capacity }

  /// The sender never has more elements in hand than there is room for.
  func put(_ element: Element) {
    gate.locked {
      precondition(elements.count < capacity, "a mailbox holds at most \(capacity) elements")
      elements.append(element)
      gate.wakeAll()
    }
  }

  /// Puts the element if there is room.
  func offer(_ element: Element) {
    gate.locked {
      if elements.count < capacity { elements.append(element) }
      gate.wakeAll()
    }
  }

  /// The oldest element, or nil when there is none.
  func take() -> Element? { gate.locked { elements.isEmpty ? nil : elements.removeFirst() } }

  /// Blocks until there is an element or someone calls `wake`, at the longest for `timeout`.
  func wait(for timeout: Duration) {
    let deadline = Gate.deadline(after: timeout)
    gate.locked {
      if elements.isEmpty && !isWoken { gate.wait(until: deadline) }
      isWoken = false
    }
  }

  /// Lets `wait` return, also one that begins later.
  func wake() {
    gate.locked {
      isWoken = true
      gate.wakeAll()
    }
  }
}
