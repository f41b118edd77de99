import MoontideCore

/// Which parked keys are due, in order, without a look at the others: a heap by time of those that wait, and
/// one by event of those whose time has come.
///
/// What it holds are hints: `ParkedKeys` asks of each whether it still stands.
struct DueKeys: Sendable {
  struct Hint: Sendable {
    var due: Duration
    var position: Position
    /// Index into the parked keys when the hint was given.
    var index: Int
  }

  private var waiting: [Hint] = []
  private var ready: [Hint] = []

  var count: Int { waiting.count + ready.count }

  mutating func add(_ hint: Hint) { DueKeys.push(hint, to: &waiting, before: DueKeys.isSooner) }

  mutating func removeAll() {
    waiting.removeAll(keepingCapacity: true)
    ready.removeAll(keepingCapacity: true)
  }

  /// Of the hints that are due and stand, the one with the oldest event.
  mutating func next(at now: Duration, stands: (Hint) -> Bool) -> Hint? {
    while let first = waiting.first, first.due <= now {
      DueKeys.pop(&waiting, before: DueKeys.isSooner)
      if stands(first) { DueKeys.push(first, to: &ready, before: DueKeys.isOlder) }
    }
    while let first = ready.first {
      if stands(first) { return first }
      DueKeys.pop(&ready, before: DueKeys.isOlder)
    }
    return nil
  }

  /// When the first one that stands is due; nil when none does.
  mutating func first(stands: (Hint) -> Bool) -> Duration? {
    while let first = ready.first {
      if stands(first) { return first.due }
      DueKeys.pop(&ready, before: DueKeys.isOlder)
    }
    while let first = waiting.first {
      if stands(first) { return first.due }
      DueKeys.pop(&waiting, before: DueKeys.isSooner)
    }
    return nil
  }

  private static func isSooner(_ a: Hint, _ b: Hint) -> Bool { a.due < b.due }
  private static func isOlder(_ a: Hint, _ b: Hint) -> Bool { a.position < b.position }

  private static func push(_ hint: Hint, to heap: inout [Hint], before: (Hint, Hint) -> Bool) {
    heap.append(hint)
    var child = heap.count - 1
    while child > 0, before(heap[child], heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private static func pop(_ heap: inout [Hint], before: (Hint, Hint) -> Bool) {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      let left = 2 * parent + 1
      if left < heap.count, before(heap[left], heap[least]) { least = left }
      if left + 1 < heap.count, before(heap[left + 1], heap[least]) { least = left + 1 }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
