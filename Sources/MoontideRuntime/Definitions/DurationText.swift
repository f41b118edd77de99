/// Durations as authors write them: a number and a unit of `ms`, `s`, `m`, `h`, `d`, such as `200ms`, `1.5s`.
public enum DurationText {
  /// Nil when the text is anything else, or is longer than 10,000 days.
  public static func parse(_ text: String) -> Duration? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let units: [String: Double] = ["ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400]
    guard let unit = units[String(text.dropFirst(digits.count))], digits.first != ".", digits.last != ".",
      let number = Double(digits)
    else { return nil }
    let seconds = number * unit
    return seconds <= 864_000_000 ? .microseconds(Int64((seconds * 1_000_000).rounded())) : nil
  }

  /// The shortest of the forms that `parse` reads, exact to the millisecond.
  public static func text(_ duration: Duration) -> String {
    let milliseconds = duration / .milliseconds(1)
    for (unit, size) in [("d", 86_400_000.0), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
    where milliseconds >= size && milliseconds.truncatingRemainder(dividingBy: size) == 0 {
      return "\(Int(milliseconds / size))\(unit)"
    }
    return "\(Int(milliseconds.rounded()))ms"
  }
}
