import MoontideHost

/// Ids for events that a person publishes without one.
enum EventID {
  /// 128 random bits in 32 hexadecimal digits.
  static func fresh() -> String {
    let randomness = SystemSurroundings.randomness
    return (0..<2).map { _ in
      let digits = String(randomness.next(), radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }
}
