import MoontideCore
import MoontideRuntime

/// What people decided about one handler's dead letters, and how much of it a past view follows: what the log
/// held at the view's end.
struct PastDecisions {
  private let all: [(decision: Decision, place: Position)]
  /// How many the view follows, the first ones.
  let count: Int

  /// - Parameters:
  ///   - handler: its identity name.
  ///   - log: the whole log.
  init(of handler: String, in log: any EventLog, before end: Position) throws(LogError) {
    all = try Decision.all(of: handler, from: log)
    count = all.prefix { $0.place < end }.count
  }

  /// Whether a fold up to `position` that followed the first `decided` ones has the rows that one with those
  /// of the view would have: the decisions between speak of later events only.
  func agree(with decided: Int, before position: Position) -> Bool {
    guard decided <= all.count else { return false }
    let between = all[min(decided, count)..<max(decided, count)]
    return between.allSatisfy { item in
      switch item.decision.action {
      case .retry, .settle: true
      case .skip, .correct: item.decision.positions.allSatisfy { $0 >= position }
      }
    }
  }
}
