import MoontideCore

/// One step of a saga as its script declares it.
public struct SagaStep: Sendable, Hashable {
  /// Unlike that of every other step of the saga.
  public var name: String
  /// Event types that say that it is done; none: it is done when its command is accepted.
  public var succeedsOn: [String]
  public var failsOn: [String]
  /// From the event that began the step on; nil: it waits for ever.
  public var timeout: Duration?
  /// Whether there is something to send; without it the step waits for what others do.
  public var sends: Bool
  public var compensates: Bool

  public init(
    name: String, succeedsOn: [String] = [], failsOn: [String] = [], timeout: Duration? = nil,
    sends: Bool = true, compensates: Bool = false
  ) {
    self.name = name
    self.succeedsOn = succeedsOn
    self.failsOn = failsOn
    self.timeout = timeout
    self.sends = sends
    self.compensates = compensates
  }
}

/// What the decisions about an instance need to know of its saga.
public struct SagaPlan: Sendable, Hashable {
  /// In the order in which they are written; the steps of a `parallel` one behind the other.
  public var steps: [SagaStep]
  /// Indexes of steps that run side by side, stage after stage; every step is in one.
  public var stages: [Range<Int>]
  public var completes: Bool
  public var concludes: Bool
  /// How often a compensation, `completed` and `compensated` are tried.
  public var retry: RetryPolicy

  public init(
    steps: [SagaStep] = [], stages: [Range<Int>]? = nil, completes: Bool = false, concludes: Bool = false,
    retry: RetryPolicy = RetryPolicy()
  ) {
    self.steps = steps
    self.stages = stages ?? steps.indices.map { $0..<$0 + 1 }
    self.completes = completes
    self.concludes = concludes
    self.retry = retry
    precondition(
      self.stages.flatMap { Array($0) } == Array(steps.indices),
      "the stages \(self.stages) are not the \(steps.count) steps in order")
  }
}
