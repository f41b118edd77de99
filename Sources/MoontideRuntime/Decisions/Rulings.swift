public import MoontideCore

/// What people decided about single events of one handler, by their positions: the fold follows it wherever
/// it meets them. The latest decision about an event counts.
public struct Rulings: Sendable {
  public enum Ruling: Sendable, Hashable {
    /// Not applied, counted as skipped.
    case skip
    /// Applied with these bytes, a JSON object, as its `data`.
    case correct([UInt8])
  }

  private var byPosition: [Position: (ruling: Ruling, decided: Position)] = [:]
  /// The last event that a ruling is about: beyond it nobody needs to look.
  private var last: Position?

  public init() {}

  /// Whether a ruling may be about that event; quick.
  func mayRule(_ position: Position) -> Bool {
    guard let last else { return false }
    return position <= last
  }

  /// The ruling about an event, or nil: it is applied as it is.
  public subscript(_ position: Position) -> Ruling? { byPosition[position]?.ruling }

  /// Takes up a decision that stands at `place` in the log; one that was taken up before changes nothing.
  mutating func add(_ decision: Decision, at place: Position) {
    let ruling: Ruling
    switch decision.action {
    case .skip: ruling = .skip
    case .correct: ruling = .correct(decision.data)
    case .retry, .settle: return
    }
    for position in decision.positions {
      if let known = byPosition[position], known.decided >= place { continue }
      byPosition[position] = (ruling, place)
      last = max(last ?? position, position)
    }
  }

  /// Those of a handler, and how many decisions about it the log has.
  /// - Parameters:
  ///   - handler: its identity name.
  ///   - count: how many decisions to take up, the first ones; nil: all.
  public static func load(
    of handler: String, from log: any EventLog, count: Int? = nil
  ) throws(LogError) -> (rulings: Rulings, decisions: Int) {
    let decisions = try Decision.all(of: handler, from: log, count: count)
    var rulings = Rulings()
    for (decision, place) in decisions { rulings.add(decision, at: place) }
    return (rulings, decisions.count)
  }
}
