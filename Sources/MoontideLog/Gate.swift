import Glibc

/// A mutex with a condition, for the few places where threads meet: never taken for one event. Any thread.
///
/// `@unchecked Sendable`: it is nothing but a POSIX mutex and condition, at addresses that do not move.
public final class Gate: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  public init() {
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

  public func lock() {
    let result = pthread_mutex_lock(mutex)
    precondition(result == 0, "locking answered \(result)")
  }

  public func unlock() {
    let result = pthread_mutex_unlock(mutex)
    precondition(result == 0, "unlocking answered \(result)")
  }

  /// Runs `body` under the lock.
  public func locked<Value>(_ body: () -> Value) -> Value {
    lock()
    defer { unlock() }
    return body()
  }

  /// The instant that lies `duration` from now on the machine's monotonic clock.
  public static func deadline(after duration: Duration) -> Duration {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return .seconds(now.tv_sec) + .nanoseconds(now.tv_nsec) + duration
  }

  /// Wakes all that wait.
  public func wakeAll() { pthread_cond_broadcast(condition) }

  /// Lets go of the lock, waits to be woken, and takes it again.
  public func wait() { pthread_cond_wait(condition, mutex) }

  /// The same up to an instant of the machine's monotonic clock; false when that has come.
  @discardableResult public func wait(until deadline: Duration) -> Bool {
    let parts = deadline.components
    var time = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
    return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
  }
}
