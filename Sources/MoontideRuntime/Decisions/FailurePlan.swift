import MoontideCore

/// What becomes of an event that failed. Pure: the worker does it.
enum FailurePlan: Equatable {
  /// A dead letter; the projection goes on as degraded.
  case setAside
  /// The key waits for the next try.
  case park
  /// A dead letter; the key's later events wait behind it.
  case deadAndHold
  /// A dead letter; the key goes on.
  case deadAndGoOn
  /// The handler stops at this event.
  case halt

  /// - Parameter attempts: failed tries so far, this one included.
  static func decide(_ definition: HandlerDefinition, attempts: Int) -> FailurePlan {
    if definition.kind == .projection { return definition.exhausted == .halt ? .halt : .setAside }
    if attempts < definition.retry.attempts { return .park }
    switch definition.exhausted {
    case .park: return .deadAndHold
    case .skip: return .deadAndGoOn
    case .halt: return .halt
    }
  }
}
