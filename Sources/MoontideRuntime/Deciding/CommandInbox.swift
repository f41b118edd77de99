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

  private struct State {
    var asked: [Asked] = []
    var isClosed = false
    /// Why it was closed, where somebody has to mend something.
    var reason: Diagnostic?
  }

  private let state = Mutex(State())

  public init() {}

  public var isEmpty: Bool { state.withLock { $0.asked.isEmpty } }
  public var isClosed: Bool { state.withLock { $0.isClosed } }

  /// Takes out those whose type is none of these: for another decider.
  public func takeOthers(than types: Set<String>) -> [Asked] {
    state.withLock { state in
      let others = state.asked.filter { !types.contains($0.command.type) }
      state.asked.removeAll { !types.contains($0.command.type) }
      return others
    }
  }

  /// Refuses at once when the decider has ended.
  public func put(_ asked: Asked) {
    let refusal = state.withLock { state -> Diagnostic? in
      if state.isClosed { return Self.ended(state.reason) }
      state.asked.append(asked)
      return nil
    }
    if let refusal { asked.answer(.refused(refusal)) }
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
    let refusal = state.withLock { state -> Diagnostic? in
      if state.isClosed { return Self.ended(state.reason) }
      state.asked.insert(contentsOf: rest, at: 0)
      return nil
    }
    if let refusal { for asked in rest { asked.answer(.refused(refusal)) } }
  }

  /// Refuses what waits now; what comes later waits for the decider again.
  public func refuse(_ problem: Diagnostic) {
    let waiting = state.withLock { state in
      defer { state.asked = [] }
      return state.asked
    }
    for asked in waiting { asked.answer(.refused(problem)) }
  }

  /// Refuses what waits, and everything from now on.
  /// - Parameter reason: what somebody has to mend before there is a decider again; nil: it was asked to end.
  ///   The first one is kept.
  public func close(because reason: Diagnostic? = nil) {
    let (waiting, kept) = state.withLock { state in
      state.isClosed = true
      if state.reason == nil { state.reason = reason }
      defer { state.asked = [] }
      return (state.asked, state.reason)
    }
    for asked in waiting { asked.answer(.refused(Self.ended(kept))) }
  }

  /// What somebody hears whose command no decider takes any more.
  public static func untaken(_ type: String) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.deciderEnded.rawValue,
      "the scripts were edited meanwhile, and the decider that they give \(type) is another one, or none",
      details: [
        .init("state", "nothing was decided and nothing was written"),
        .init("help", "send it again under the same id: it has one outcome, however often it is sent"),
      ])
  }

  private static func ended(_ reason: Diagnostic?) -> Diagnostic {
    let again = "send it again under the same id: it has one outcome, however often it is sent"
    guard let reason else {
      return Diagnostic(
        code: RuntimeCode.deciderEnded.rawValue, "the decider ended before it came to this command",
        details: [.init("help", again)])
    }
    return Diagnostic(
      code: RuntimeCode.deciderEnded.rawValue, "the decider does not run: \(reason.title)", at: reason.place,
      details: [
        .init("why", "\(reason.code): moontide explain \(reason.code)"),
        .init("help", "mend that and start the run again, then \(again)"),
      ])
  }
}
