public import MoontideCore
public import MoontideLua

/// What `moontide.lua` says for all handlers.
public struct HandlerDefaults: Sendable, Hashable {
  public var budget: LuaBudget
  public var retry: RetryPolicy
  /// How long a chain of events causing events may become.
  public var causationDepth: Int
  /// What effects may reach.
  public var effects = EffectRules()
  public init(
    budget: LuaBudget = LuaBudget(), retry: RetryPolicy = RetryPolicy(),
    causationDepth: Int = Limits.causationDepthDefault
  ) {
    self.budget = budget
    self.retry = retry
    self.causationDepth = causationDepth
  }
}
