import MoontideCore
import Synchronization

/// One flush for many: the first caller syncs for all that was written by then, the others wait for it or for
/// the next one. Appends go on meanwhile.
///
/// `@unchecked Sendable`: everything mutable is guarded by `gate` or atomic.
final class GroupCommit: @unchecked Sendable {
  /// How far the log is written: everything below lies in synced files or in `file`.
  struct Written {
    var file: LogFile
    var position: UInt64
    var batches: UInt64
  }

  private let gate = Gate()
  private var written: Written
  private var isSyncing = false
  private var failure: String?
  private var durableBatchCount: UInt64
  private let durable: Atomic<UInt64>

  /// - Parameter written: all of it durable.
  init(_ written: Written) {
    self.written = written
    durableBatchCount = written.batches
    durable = Atomic(written.position)
  }

  /// Never waits.
  var durableEnd: Position { Position(durable.load(ordering: .acquiring)) }

  /// Both ends of what is durable, for the header of the next batch.
  var durablePoint: (position: UInt64, batches: UInt64) {
    gate.lock()
    defer { gate.unlock() }
    return (durable.load(ordering: .relaxed), durableBatchCount)
  }

  /// Why nothing can be written any more, or nil.
  var readOnlyReason: String? {
    gate.lock()
    defer { gate.unlock() }
    return failure
  }

  /// From now on the log takes nothing; the first reason stays.
  func fail(_ reason: String) {
    gate.lock()
    defer { gate.unlock() }
    failure = failure ?? reason
    gate.wakeAll()
  }

  /// What the appender wrote; with `synced` when all of it is durable already.
  func advance(_ written: Written, synced: Bool = false) {
    gate.lock()
    defer { gate.unlock() }
    self.written = written
    if synced { publish(written) }
  }

  private func publish(_ written: Written) {
    guard written.batches >= durableBatchCount else { return }
    durableBatchCount = written.batches
    durable.store(written.position, ordering: .releasing)
    gate.wakeAll()
  }

  @discardableResult func flush() throws(LogError) -> Position {
    gate.lock()
    defer { gate.unlock() }
    let target = written.batches
    while true {
      if durableBatchCount >= target { return durableEnd }
      if let failure { throw .readOnly(reason: failure) }
      if !isSyncing { break }
      gate.wait()
    }
    isSyncing = true
    let goal = written
    gate.unlock()
    var refusal: LogError?
    CrashPoint.reach(.beforeFlush)
    do { try goal.file.sync() } catch { refusal = error }
    CrashPoint.reach(.afterFlush)
    gate.lock()
    isSyncing = false
    if let refusal {
      failure = failure ?? "a flush of \(goal.file.path) failed: \(refusal.reason)"
      gate.wakeAll()
      throw .readOnly(reason: failure!)
    }
    publish(goal)
    gate.wakeAll()
    return durableEnd
  }

  func wait(past position: Position, for timeout: Duration) -> Bool {
    if durableEnd > position { return true }
    let deadline = SystemClock().monotonic + timeout
    gate.lock()
    defer { gate.unlock() }
    while durableEnd <= position {
      if !gate.wait(until: deadline) { return durableEnd > position }
    }
    return true
  }
}
