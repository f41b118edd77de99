public import MoontideCore

/// The seam to what happens outside: performs effects side by side, each once per call. It knows nothing of
/// ledgers, orders and policies. Calls may come from any thread.
public protocol EffectPerformer: AnyObject, Sendable {
  /// Begins one try and returns at once; false when it takes no more now. `ended` is called once for each
  /// that was begun, from any thread, also from within this call.
  func begin(_ job: EffectJob, ended: @escaping @Sendable (EffectOutcome) -> Void) -> Bool
}

/// One try.
public struct EffectJob: Sendable, Hashable {
  /// The idempotency key: the same for each try.
  public var key: String
  public var kind: EffectKind
  public var request: EffectTemplate

  public init(key: String, kind: EffectKind, request: EffectTemplate) {
    self.key = key
    self.kind = kind
    self.request = request
  }
}

/// What came of a try. No text of it holds a secret.
public struct EffectOutcome: Sendable, Hashable {
  public enum Verdict: Sendable, Hashable {
    case done
    /// Another try may do.
    /// - `blamesTarget`: nobody answered, or it said that it cannot now.
    /// - `retryAfter`: how long it asks to be left alone.
    case failed(blamesTarget: Bool, retryAfter: Duration?)
    /// No other try changes that.
    case refused
    /// The try was left before it ended, since the process ends: nothing is known of it.
    case left
  }

  public var verdict: Verdict
  /// What came back: the members of a JSON object, without braces, such as `"status":200`; may be empty.
  public var response: [UInt8]
  /// Why it was not done; empty when it was.
  public var error: String

  public init(_ verdict: Verdict, response: [UInt8] = [], error: String = "") {
    self.verdict = verdict
    self.response = response
    self.error = error
  }
}
