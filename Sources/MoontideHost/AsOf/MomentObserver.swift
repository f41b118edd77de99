public import MoontideCore

/// Hears of a question about a moment; called on its thread. What it throws ends the question.
public protocol MomentObserver: AnyObject {
  /// What the moment came to: `as of 2026-11-17T23:59:59.999999Z`.
  func resolved(_ text: String) throws(Diagnostic)
  /// What a person should know of the answer.
  func note(_ text: String) throws(Diagnostic)
}
