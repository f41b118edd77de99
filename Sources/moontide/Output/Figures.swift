/// Numbers as a person reads them; for machines there is `--json`.
enum Figures {
  /// `48,211`
  static func grouped(_ value: UInt64) -> String {
    var digits = Array(String(value))
    var at = digits.count - 3
    while at > 0 {
      digits.insert(",", at: at)
      at -= 3
    }
    return String(digits)
  }

  /// `1 event`, `48,211 events`
  static func counted(_ value: UInt64, _ noun: String) -> String {
    "\(grouped(value)) \(noun)\(value == 1 ? "" : "s")"
  }

  /// `840/s`, `52.3k/s`, `1.2M/s`
  static func rate(_ perSecond: Double) -> String {
    if perSecond >= 999_950 { return decimal(perSecond / 1e6, places: 1) + "M/s" }
    if perSecond >= 9_999.5 { return decimal(perSecond / 1e3, places: 1) + "k/s" }
    return decimal(perSecond, places: perSecond < 10 ? 1 : 0) + "/s"
  }

  /// `0.32 s`, `5.2 s`, `3:07 min`, `2:00:10 h`
  static func time(_ seconds: Double) -> String {
    if seconds < 1 { return decimal(seconds, places: 2) + " s" }
    if seconds < 60 { return decimal(seconds, places: 1) + " s" }
    return clock(seconds) + (seconds < 3600 ? " min" : " h")
  }

  /// `0.4 ms`, `12 ms`, `5.2 s`
  static func milliseconds(_ value: Double) -> String {
    if value >= 1_000 { return time(value / 1_000) }
    return decimal(value, places: value < 10 ? 1 : 0) + " ms"
  }

  /// `0:12`, `3:07`, `2:00:10`; rounded up to the second.
  static func clock(_ seconds: Double) -> String {
    let whole = Int(min(seconds.rounded(.up), 3_599_999))
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
  }

  /// `KiB`, `MiB`, `GiB`: `340 B`, `8.1 MiB`
  static func bytes(_ value: UInt64) -> String {
    var rest = Double(value)
    var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
    while rest >= 1024, units.count > 1 {
      rest /= 1024
      units = units.dropFirst()
    }
    return (units.first == "B" ? String(value) : decimal(rest, places: 1)) + " " + (units.first ?? "B")
  }

  /// Rounded half away from zero to `places` digits, 0 to 6.
  static func decimal(_ value: Double, places: Int) -> String {
    let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = Int64((abs(value) * scale).rounded())
    let whole = scaled / Int64(scale)
    let sign = value < 0 && scaled != 0 ? "-" : ""
    guard places > 0 else { return sign + String(whole) }
    let digits = String(scaled % Int64(scale))
    return sign + "\(whole)." + String(repeating: "0", count: places - digits.count) + digits
  }
}
