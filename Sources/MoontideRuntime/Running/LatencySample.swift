import MoontideCore

/// Times of sampled calls in buckets that double, with four steps in each doubling.
struct LatencySample {
  /// Bucket `n` holds times below `2^(n/4)` microseconds, roughly.
  private var buckets = [UInt32](repeating: 0, count: 128)
  private var count: UInt32 = 0
  /// One call in so many is timed.
  static let every = 64

  mutating func add(_ duration: Duration) {
    let microseconds = max(1, UInt64(max(0, duration / .microseconds(1))))
    let exponent = 63 - microseconds.leadingZeroBitCount
    let fraction = exponent >= 2 ? Int((microseconds >> UInt64(exponent - 2)) & 3) : 0
    buckets[min(exponent * 4 + fraction, buckets.count - 1)] += 1
    count += 1
    if count == Limits.latencySamplesMax {
      for index in buckets.indices { buckets[index] /= 2 }
      count = buckets.reduce(0, +)
    }
  }

  /// An upper bound of the time that 99 of 100 calls took; nil before the first.
  var p99: Duration? {
    guard count > 0 else { return nil }
    var left = max(1, count / 100)
    for index in buckets.indices.reversed() {
      if buckets[index] >= left { return Self.upperBound(index) }
      left -= buckets[index]
    }
    return nil
  }

  private static func upperBound(_ bucket: Int) -> Duration {
    let exponent = bucket / 4
    let whole = Int64(1) << exponent
    return exponent < 2 ? .microseconds(whole * 2) : .microseconds(whole / 4 * Int64(5 + bucket % 4))
  }
}
