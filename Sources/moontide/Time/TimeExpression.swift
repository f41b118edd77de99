import MoontideCore

/// What a person may write wherever a TIME is taken:
///
/// | written | means |
/// | --- | --- |
/// | `2026-11-17T09:14:03Z` | that instant (RFC 3339) |
/// | `2026-11-17T09:14`, `2026-11-17 09:14:03.5` | that instant in the zone |
/// | `2026-11-17` | the day: its end or its start, see `Role` |
/// | `now`, `today`, `yesterday`, `tuesday`, `last tuesday` | the instant; the day; the last before today |
/// | `-2h`, `-1h30m`, `-3d` | before now: s, m, h, d (24 hours), w |
/// | `#48211` | a position of the log |
/// | `orders/1@1042` | topic/partition@offset |
///
/// Pure: now and the zone are passed in.
enum TimeExpression: Equatable, Sendable {
  case instant(EventTime)
  case position(Position)
  case offset(topic: TopicName, partition: UInt16, offset: Offset)

  /// What a day stands for.
  enum Role: Sendable {
    /// `--as-of`, `--as-known`: all of the day has happened; its last microsecond.
    case end
    /// Everything else: its first microsecond.
    case start
  }

  /// What it came to, for the echo on stderr: `2026-11-17T23:59:59.999999Z`, `#48211`, `orders/1@1042`.
  var description: String {
    switch self {
    case .instant(let time): time.description
    case .position(let position): position.description
    case .offset(let topic, let partition, let offset): "\(topic)/\(partition)@\(offset)"
    }
  }

  /// - Parameters:
  ///   - text: as typed; blanks around it do not count, and words may be in any case.
  ///   - zone: of dates, and of times without an offset.
  /// - Throws: `TimeExpressionFault` with what was typed and what could be.
  static func parse(
    _ text: String, as role: Role, now: EventTime, zone: CivilZone
  ) throws(TimeExpressionFault) -> TimeExpression {
    let words = text.split(whereSeparator: \.isWhitespace).map { $0.lowercased() }
    guard let first = words.first else { throw TimeExpressionFault(text: text, reason: "it is empty") }
    let trimmed = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    if first.hasPrefix("#") { return try position(trimmed) }
    if trimmed.contains("@") { return try place(trimmed) }
    if first.hasPrefix("-"), words.count == 1 {
      return .instant(try before(now, String(first.dropFirst()), typed: trimmed))
    }
    if words == ["now"] { return .instant(now) }
    if let day = try day(words, now: now, zone: zone, typed: trimmed) {
      return .instant(try instant(of: day, as: role, zone: zone, typed: trimmed))
    }
    if let time = EventTime(trimmed) { return .instant(time) }
    if let civil = CivilTime(trimmed), let time = zone.instant(of: civil) { return .instant(time) }
    throw TimeExpressionFault(text: trimmed, reason: reason(trimmed))
  }

  /// What is wrong with a text that none of the forms fits.
  private static func reason(_ text: String) -> String {
    let parts = text.prefix { $0 != "T" && $0 != "t" && $0 != " " }.split(separator: "-").map(String.init)
    let numbers = parts.compactMap { Int($0) }
    if digits(text[...]) != nil { return "a position has a # before it: #\(text)" }
    guard parts.count == 3, numbers.count == 3, parts[0].count == 4 else {
      return "it has none of the forms of one"
    }
    if parts[1].count != 2 || parts[2].count != 2 {
      let two = numbers.dropFirst().map { $0 < 10 ? "0\($0)" : "\($0)" }
      return "months and days have two digits: \(([parts[0]] + two).joined(separator: "-"))"
    }
    let day = parts.joined(separator: "-")
    return CivilDay(day) == nil ? "there is no day \(day)" : "the day is one, what follows is no time of it"
  }

  private static func position(_ text: String) throws(TimeExpressionFault) -> TimeExpression {
    guard let value = digits(text.dropFirst()) else {
      throw TimeExpressionFault(text: text, reason: "a position is # and a whole number")
    }
    return .position(Position(value))
  }

  private static func place(_ text: String) throws(TimeExpressionFault) -> TimeExpression {
    let sides = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    let names = sides[0].split(separator: "/", omittingEmptySubsequences: false)
    guard names.count == 2, let topic = TopicName(String(names[0])),
      let partition = digits(names[1]).flatMap(UInt16.init(exactly:)), let offset = digits(sides[1])
    else { throw TimeExpressionFault(text: text, reason: "a place in the log is topic/partition@offset") }
    return .offset(topic: topic, partition: partition, offset: Offset(offset))
  }

  /// Decimal digits alone: no sign, as `UInt64` would take one.
  private static func digits(_ text: some StringProtocol) -> UInt64? {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? UInt64(text) : nil
  }

  /// `2h`, `1h30m`: every unit at most once, from large to small.
  private static func before(
    _ now: EventTime, _ span: String, typed: String
  ) throws(TimeExpressionFault) -> EventTime {
    let units: [(Character, Int64)] = [
      ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1),
    ]
    var rest = span[...]
    var seconds: Int64 = 0
    for (unit, length) in units {
      let number = rest.prefix { $0.isASCII && $0.isNumber }
      guard !number.isEmpty, rest.dropFirst(number.count).first == unit else { continue }
      // A million weeks lie before the calendar; the bound keeps the sum far from overflow.
      guard let value = Int64(number), value <= 1_000_000_000 else {
        throw TimeExpressionFault(text: typed, reason: "that is too long ago")
      }
      seconds += value * length
      rest = rest.dropFirst(number.count + 1)
    }
    guard rest.isEmpty, !span.isEmpty else {
      throw TimeExpressionFault(text: typed, reason: "a span is numbers with s, m, h, d or w, such as -1h30m")
    }
    let time = EventTime(microseconds: now.microseconds - min(seconds, 1_000_000_000_000) * 1_000_000)
    guard time >= CivilZone.earliest else {
      throw TimeExpressionFault(text: typed, reason: "that is before the year 0000")
    }
    return time
  }

  /// The day that words name, or nil when they name none.
  private static func day(
    _ words: [String], now: EventTime, zone: CivilZone, typed: String
  ) throws(TimeExpressionFault) -> CivilDay? {
    let today = zone.day(of: now)
    if words == ["today"] { return today }
    if words == ["yesterday"] { return today.adding(-1) }
    let name = words.count == 2 && words[0] == "last" ? words[1] : words[0]
    if words.count == 1 || words[0] == "last", let weekday = CivilDay.weekday(name) {
      let back = (today.weekday - weekday + 6) % 7 + 1
      return today.adding(Int64(-back))
    }
    if words[0] == "last" {
      throw TimeExpressionFault(text: typed, reason: "after “last” comes a day of the week")
    }
    return words.count == 1 ? CivilDay(words[0]) : nil
  }

  private static func instant(
    of day: CivilDay, as role: Role, zone: CivilZone, typed: String
  ) throws(TimeExpressionFault) -> EventTime {
    let start = zone.microseconds(of: CivilTime(day: day))
    let next = zone.microseconds(of: CivilTime(day: day.adding(1)))
    guard let time = CivilZone.instant(microseconds: role == .start ? start : next - 1) else {
      throw TimeExpressionFault(text: typed, reason: "that is outside the years 0000 to 9999")
    }
    return time
  }
}

/// A TIME that is none.
struct TimeExpressionFault: Error, Sendable, Equatable {
  var text: String
  var reason: String

  var diagnostic: Diagnostic {
    let forms = "2026-11-17 · 2026-11-17T09:14:03Z · -2h · yesterday · last tuesday · #48211 · orders/1@1042"
    let words = ["now", "today", "yesterday"] + CivilDay.weekdays.map { "last " + $0 } + CivilDay.weekdays
    let diagnostic = Diagnostic(code: CommandCode.time.code, "“\(text)” is not a time: \(reason)")
    guard let near = Suggestion.nearest(to: text, among: words) else {
      return diagnostic.adding("help", "write one of: \(forms)")
    }
    return diagnostic.adding("help", "did you mean “\(near)”? One of: \(forms)")
  }
}
