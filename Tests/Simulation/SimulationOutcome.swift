/// What came out of it.
public struct SimulationOutcome: Sendable {
  public var seed: UInt64
  /// What is wrong, the first of them found first; empty when all is well.
  public var violations: [String] = []
  public var lives = 0
  public var kills = 0
  public var powerCuts = 0
  public var stops = 0
  public var faults = 0
  public var operations = 0
  public var records = 0
  /// What happened in the scenario, by a word for it.
  public var tally: [String: Int] = [:]
  public var trace: [String] = []
  /// Of all operations on the disk: equal for equal runs.
  public var digest = ""

  public init(seed: UInt64) { self.seed = seed }
}
