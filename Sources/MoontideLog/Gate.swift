import Glibc

/// A mutex with a condition, for the few places where threads meet: never taken for one event.
///
/// `@unchecked Sendable`: it is nothing but a POSIX mutex and condition, at addresses that do not move.
final class Gate: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // The time of day may jump; a deadline must not.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func lock() {
    let result = pthread_mutex_lock(mutex)
    precondition(result == 0, "locking answered \(result)")
  }

  func unlock() {
    let result = pthread_mutex_unlock(mutex)
    precondition(result == 0, "unlocking answered \(result)")
  }

  /// Wakes all that wait.
  func wakeAll() { pthread_cond_broadcast(condition) }

  /// Lets go of the lock, waits to be woken, and takes it again.
  func wait() { pthread_cond_wait(condition, mutex) }

  /// The same up to an instant of the machine's monotonic clock; false when that has come.
  func wait(until deadline: Duration) -> Bool {
    let parts = deadline.components
    var time = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
    return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
  }
}
