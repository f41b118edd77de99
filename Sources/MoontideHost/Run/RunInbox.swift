import MoontideCore
import MoontideRuntime
import Synchronization

/// What workers tell the thread of the run. Bounded: a script that prints in a loop costs lines, not memory.
final class RunInbox: Sendable {
  enum Item: Sendable {
    case problem(Diagnostic)
    case printed(String)
    case missed(MissedField)
    case reloaded(ReloadReport)
  }

  private struct State {
    var items: [Item] = []
    var dropped = 0
  }

  private let state = Mutex(State())

  func put(_ item: Item) {
    state.withLock { state in
      if state.items.count < Limits.inboxItemsMax { state.items.append(item) } else { state.dropped += 1 }
    }
  }

  /// Everything that came since the last call.
  func take() -> [Item] {
    state.withLock { state in
      var items = state.items
      if state.dropped > 0 { items.append(.printed("note: \(state.dropped) more messages were not shown")) }
      state = State()
      return items
    }
  }
}
