import MoontideRuntime
import Synchronization

/// Where commands come in for a decider, and what wakes it. It outlives an edit of the script: who waits when
/// the decider is taken over is answered by its successor. Any thread.
final class DeciderPost: Sendable {
  let inbox = CommandInbox()
  /// Rung when a command was sent or the log has grown: nobody else wakes for a command that is not decided.
  let bell = Bell()
  private let kept = Atomic<Bool>(false)

  /// - Parameter grown: rings when the log has grown.
  init(grown: Bell) { grown.bring(bell) }

  /// Whether a successor takes it over when the decider ends; else it is closed then.
  var isKept: Bool {
    get { kept.load(ordering: .acquiring) }
    set { kept.store(newValue, ordering: .releasing) }
  }

  func put(_ asked: CommandInbox.Asked) {
    inbox.put(asked)
    bell.ring()
  }
}
