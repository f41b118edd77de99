public import MoontideCore
import Synchronization

/// What became of a command that somebody waits for.
public enum CommandReply: Sendable {
  /// Durable.
  case decided(CommandOutcome, CommandExplanation?)
  /// Nothing was decided and nothing was written.
  case refused(Diagnostic)
}

/// Beside an outcome: whether it is the answer to an earlier sending, and the states around the decision.
public struct CommandExplanation: Sendable, Hashable {
  /// The command was decided before: nothing happened now.
  public var isRepeat: Bool
  /// As `StateCodec` reads them; nil for a stream that the script has not touched, and for a repeat.
  public var before: [UInt8]?
  public var after: [UInt8]?
}

/// Commands on their way to a decider's thread, from any thread.
public final class CommandInbox: Sendable {
  public struct Asked: Sendable {
    public var command: Command
    /// Called once, on the decider's thread, or on the one that closes the inbox.
    public var answer: @Sendable (CommandReply) -> Void
    public init(_ command: Command, answer: @escaping @Sendable (CommandReply) -> Void) {
      self.command = command
      self.answer = answer
    }
  }

  private let state = Mutex<(asked: [Asked], isClosed: Bool)>(([], false))

  public init() {}

  public var isEmpty: Bool { state.withLock { $0.asked.isEmpty } }

  /// Refuses at once when the decider has ended.
  public func put(_ asked: Asked) {
    let isTaken = state.withLock { state in
      if !state.isClosed { state.asked.append(asked) }
      return !state.isClosed
    }
    if !isTaken { asked.answer(.refused(Self.ended)) }
  }

  func take(_ limit: Int) -> [Asked] {
    state.withLock { state in
      let taken = Array(state.asked.prefix(limit))
      state.asked.removeFirst(taken.count)
      return taken
    }
  }

  /// Takes back what was taken and not come to, before all else.
  func putBack(_ rest: ArraySlice<Asked>) {
    let isTaken = state.withLock { state in
      if !state.isClosed { state.asked.insert(contentsOf: rest, at: 0) }
      return !state.isClosed
    }
    if !isTaken { for asked in rest { asked.answer(.refused(Self.ended)) } }
  }

  /// Refuses what waits, and everything from now on.
  public func close() {
    let rest = state.withLock { state in
      state.isClosed = true
      defer { state.asked = [] }
      return state.asked
    }
    for asked in rest { asked.answer(.refused(Self.ended)) }
  }

  private static var ended: Diagnostic {
    Diagnostic(
      code: RuntimeCode.deciderEnded.rawValue, "the decider ended before it came to this command",
      details: [
        .init("help", "send it again under the same id: it has one outcome, however often it is sent")
      ])
  }
}
