public import MoontideCore

/// SplitMix64 (Steele, Lea, Flood 2014): a seed gives the same numbers again.
///
/// `@unchecked Sendable`: a simulation is one thread.
public final class SeededNumbers: Randomness, @unchecked Sendable {
  private var state: UInt64

  public init(_ seed: UInt64) { state = seed }

  /// Other numbers from now on: of one of many ends of the same beginning.
  func turn(to seed: UInt64) { state = seed }

  public func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// 0 to `bound - 1`.
  public func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// True in that share of calls, 0 to 1.
  public func chance(_ share: Double) -> Bool {
    share > 0 && Double(next() >> 11) / Double(UInt64(1) << 53) < share
  }

  public func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

  /// Numbers of their own, so that what one part of a simulation draws does not move the others.
  public func fork() -> SeededNumbers { SeededNumbers(next()) }
}
