import Glibc
import MoontideCore

/// A queue between two threads with room for so many elements. Never touched per event, only per batch.
///
/// `@unchecked Sendable`: everything mutable is touched under the lock only.
final class Mailbox<Element: Sendable>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var elements: [Element] = []
  private var isWoken = false
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    lock = .allocate(capacity: 1)
    changed = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Timeouts must not follow a clock that jumps.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  /// The sender never has more elements in hand than there is room for.
  func put(_ element: Element) {
    pthread_mutex_lock(lock)
    precondition(elements.count < capacity, "a mailbox holds at most \(capacity) elements")
    elements.append(element)
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// Puts the element if there is room.
  func offer(_ element: Element) {
    pthread_mutex_lock(lock)
    if elements.count < capacity { elements.append(element) }
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }

  /// The oldest element, or nil when there is none.
  func take() -> Element? {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return elements.isEmpty ? nil : elements.removeFirst()
  }

  /// Blocks until there is an element or someone calls `wake`, at the longest for `timeout`.
  func wait(for timeout: Duration) {
    var deadline = timespec()
    clock_gettime(CLOCK_MONOTONIC, &deadline)
    let (seconds, attoseconds) = timeout.components
    let nanoseconds = deadline.tv_nsec + Int(attoseconds / 1_000_000_000)
    deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
    deadline.tv_nsec = nanoseconds % 1_000_000_000
    pthread_mutex_lock(lock)
    if elements.isEmpty && !isWoken { pthread_cond_timedwait(changed, lock, &deadline) }
    isWoken = false
    pthread_mutex_unlock(lock)
  }

  /// Lets `wait` return, also one that begins later.
  func wake() {
    pthread_mutex_lock(lock)
    isWoken = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(lock)
  }
}
