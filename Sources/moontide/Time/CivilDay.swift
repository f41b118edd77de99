import MoontideCore

/// A day of the calendar, without a zone.
struct CivilDay: Equatable, Sendable {
  /// Days since 1970-01-01.
  var number: Int64

  static let weekdays = [
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
  ]

  init(number: Int64) { self.number = number }

  /// Reads `2026-11-17`; nil for anything else, days that no month has included.
  init?(_ text: String) {
    guard let midnight = EventTime(text + "T00:00:00Z") else { return nil }
    self.init(number: midnight.microseconds / CivilZone.dayMicroseconds)
    // Division cuts towards zero; midnight is exact, so nothing is lost before 1970 either.
  }

  /// Monday is 0. 1970-01-01 was a Thursday.
  var weekday: Int { Int(((number + 3) % 7 + 7) % 7) }

  func adding(_ days: Int64) -> CivilDay { CivilDay(number: number + days) }

  /// The number of a day's name, in full or its first three letters.
  static func weekday(_ name: String) -> Int? {
    weekdays.firstIndex { $0 == name || $0.prefix(3) == name }
  }
}

/// A day and a time of day, without a zone.
struct CivilTime: Equatable, Sendable {
  var day: CivilDay
  /// Since midnight.
  var microseconds: Int64

  init(day: CivilDay, microseconds: Int64 = 0) {
    self.day = day
    self.microseconds = microseconds
  }

  /// Reads `2026-11-17T09:14`, `2026-11-17 09:14:03`, with a fraction after the seconds.
  init?(_ text: String) {
    let clock = text.drop { $0 != "T" && $0 != "t" && $0 != " " }
    let colons = clock.count { $0 == ":" }
    guard let time = EventTime(text + (colons == 1 ? ":00Z" : "Z")),
      let day = CivilDay(String(text.prefix(10)))
    else { return nil }
    self.init(day: day, microseconds: time.microseconds - day.number * CivilZone.dayMicroseconds)
  }
}
