import Glibc
import MoontideCore
import Synchronization

/// Whether a batch was lost that its worker takes for committed: the file is then gone on with from its last
/// commit, by who opens it anew. Any thread.
public final class LostBatch: Sendable {
  private let flag = Atomic<Bool>(false)
  public init() {}
  public var isSet: Bool {
    get { flag.load(ordering: .acquiring) }
    set { flag.store(newValue, ordering: .releasing) }
  }
}

/// Writes one batch into a file that nobody reads yet, on a thread of its own, while the next one is handled.
/// The connection belongs to that thread while it writes, and to its owner after `join`.
///
/// A batch that cannot be written fails all that come after it, and sets `lost`: the file stays as of its
/// last commit.
final class LateCommit: @unchecked Sendable {
  // Unchecked: everything is behind the mutex; a job touches what its owner leaves alone until `join`.
  typealias Job = () throws(StoreError) -> Void

  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var job: Job?
  private var failure: StoreError?
  private var isEnding = false
  private var hasEnded = false
  private let lost: LostBatch

  /// Nil when the system has no room for another thread.
  init?(lost: LostBatch) {
    self.lost = lost
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(changed, nil)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 1 << 20)
    var thread = pthread_t()
    let own = Unmanaged.passRetained(self)
    let result = pthread_create(
      &thread, &attributes,
      { pointer in
        Unmanaged<LateCommit>.fromOpaque(pointer!).takeRetainedValue().run()
        return nil
      }, own.toOpaque())
    pthread_attr_destroy(&attributes)
    if result != 0 {
      own.release()
      return nil
    }
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(changed)
    mutex.deallocate()
    changed.deallocate()
  }

  /// Waits until nothing is being written. Throws once a batch was lost.
  func join() throws(StoreError) {
    pthread_mutex_lock(mutex)
    while job != nil { pthread_cond_wait(changed, mutex) }
    let failure = self.failure
    pthread_mutex_unlock(mutex)
    if let failure { throw failure }
  }

  /// Has a batch written; after `join`.
  func hand(_ job: @escaping Job) {
    pthread_mutex_lock(mutex)
    precondition(self.job == nil, "a batch is handed over while another is written")
    self.job = job
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
  }

  /// Waits until the thread has ended: before the connection is closed.
  func end() {
    pthread_mutex_lock(mutex)
    isEnding = true
    pthread_cond_broadcast(changed)
    while !hasEnded { pthread_cond_wait(changed, mutex) }
    pthread_mutex_unlock(mutex)
  }

  private func run() {
    pthread_mutex_lock(mutex)
    while true {
      while job == nil, !isEnding { pthread_cond_wait(changed, mutex) }
      guard let now = job else { break }
      pthread_mutex_unlock(mutex)
      var fault: StoreError?
      do throws(StoreError) { try now() } catch { fault = error }
      pthread_mutex_lock(mutex)
      if let fault, failure == nil {
        failure = LateCommit.told(fault)
        lost.isSet = true
      }
      job = nil
      pthread_cond_broadcast(changed)
    }
    hasEnded = true
    pthread_cond_broadcast(changed)
    pthread_mutex_unlock(mutex)
  }

  /// A refused row is one of an earlier batch: running the present one with more care would not help.
  private static func told(_ fault: StoreError) -> StoreError {
    switch fault {
    case .full, .exhausted, .damaged, .io: fault
    case .constraint, .foldedConstraint, .refused:
      .exhausted(path: "the rebuilt read model", reason: "a batch has to be written again, event by event")
    }
  }
}
