public import MoontideCore

/// The random numbers of the system. Stateless; any thread.
public struct SystemRandomness: Randomness {
  public init() {}

  public func next() -> UInt64 { UInt64.random(in: .min ... .max) }
}
