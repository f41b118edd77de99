import Glibc
import MoontideCore
import Synchronization

/// Drives one worker on a thread of its own until it finishes or is asked to stop. The worker is made on that
/// thread and dies there: one thread owns one Lua state and one connection from birth to death.
final class WorkerThread: @unchecked Sendable {
  // Unchecked: the thread handle is written by `start`, before any other call, and read by `join` behind its
  // lock; all else is atomic or behind the wake lock.
  private let name: String
  private let make: () throws(Diagnostic) -> any Worker
  private let failed: @Sendable (Diagnostic) -> Void
  private let stopping = Atomic<Bool>(false)
  private let settling = Atomic<Bool>(false)
  private let done = Atomic<Bool>(false)
  private let pause: any WorkerPause
  private let progressed: @Sendable () -> Void
  private var thread = pthread_t()
  private var hasStarted = false
  private let isJoined = Mutex(false)

  /// - Parameters:
  ///   - pause: how it waits while it is idle.
  ///   - progressed: called after each step that did something, and at the end.
  ///   - make: called on the new thread.
  ///   - failed: called on the thread when `make` throws.
  init(
    name: String, pause: any WorkerPause, progressed: @escaping @Sendable () -> Void,
    failed: @escaping @Sendable (Diagnostic) -> Void,
    make: @escaping () throws(Diagnostic) -> any Worker
  ) {
    self.name = name
    self.pause = pause
    self.progressed = progressed
    self.failed = failed
    self.make = make
  }

  var isDone: Bool { done.load(ordering: .acquiring) }

  /// Throws what passes when the system has no memory or no number for another thread.
  func start() throws(Diagnostic) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    // Lua's C calls nest up to 200 deep: 2 MiB or more, see trust.
    pthread_attr_setstacksize(&attributes, 8 << 20)
    let context = Unmanaged.passRetained(self)
    let result = pthread_create(
      &thread, &attributes,
      { pointer in
        let thread = Unmanaged<WorkerThread>.fromOpaque(pointer!).takeRetainedValue()
        thread.run()
        return nil
      }, context.toOpaque())
    pthread_attr_destroy(&attributes)
    guard result == 0 else {
      context.release()
      throw Diagnostic(
        passing: "cannot start a thread for \(name): \(String(cString: strerror(result)))",
        help: "end other processes, or raise ulimit -u and ulimit -v")
    }
    hasStarted = true
  }

  /// Asks the worker to end after its current step; see `ClosingWorker` for `settled`.
  func stop(settled: Bool = false) {
    settling.store(settled, ordering: .releasing)
    stopping.store(true, ordering: .releasing)
    pause.wake()
  }

  /// Waits for its end, as long as it takes; returns at once when it was never started. Any thread but
  /// itself.
  func join() {
    guard hasStarted else { return }
    isJoined.withLock { isJoined in
      if !isJoined { pthread_join(thread, nil) }
      isJoined = true
    }
  }

  private func run() {
    defer {
      done.store(true, ordering: .releasing)
      progressed()
    }
    do throws(Diagnostic) {
      guard let worker = try open() else { return }
      drive(worker)
      if let closing = worker as? any ClosingWorker {
        do throws(Diagnostic) { try closing.close(settled: settling.load(ordering: .acquiring)) } catch {
          guard error.isPassing else { throw error }
          // What is committed stays where it is until the next run.
          failed(error.asWarning("nothing is lost; the next run goes on from there"))
        }
      }
    } catch { failed(error) }
  }

  /// Makes the worker, again and again while the system is short of what it needs; nil when it is to end
  /// before.
  private func open() throws(Diagnostic) -> (any Worker)? {
    var isTold = false
    while !stopping.load(ordering: .acquiring) {
      let seen = pause.count
      do throws(Diagnostic) { return try make() } catch {
        guard error.isPassing else { throw error }
        if !isTold { failed(error.asWarning) }
        isTold = true
        pause.wait(past: seen, for: Limits.fullDiskPause)
      }
    }
    return nil
  }

  private func drive(_ worker: any Worker) {
    while !stopping.load(ordering: .acquiring) {
      let seen = pause.count
      switch worker.step() {
      case .progressed: progressed()
      case .idle(let duration): pause.wait(past: seen, for: duration)
      case .finished: return
      }
    }
  }
}

/// How an idle worker waits: until there may be something to do, it is asked to end, or the time is over.
protocol WorkerPause: Sendable {
  /// Taken before looking for work, so that no wake-up is missed.
  var count: UInt64 { get }
  func wait(past seen: UInt64, for duration: Duration)
  func wake()
}
