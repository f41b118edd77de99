/// An instant: microseconds since 1970-01-01T00:00:00Z, from year 0000 to 9999.
public struct EventTime: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var microseconds: Int64

  public init(microseconds: Int64) { self.microseconds = microseconds }

  public static func < (a: EventTime, b: EventTime) -> Bool { a.microseconds < b.microseconds }

  /// Reads RFC 3339 (`2019-05-20T07:07:47.5+02:00`): date, `T` or a space, time, any number of
  /// fraction digits (cut below a microsecond), `Z` or an offset. A leap second 60 counts as 59.999999.
  /// Nil when the bytes are anything else.
  public init?(_ bytes: [UInt8], _ range: ByteRange) {
    var reader = DigitReader(bytes: bytes, at: Int(range.start), end: range.end)
    guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
      let day = reader.number(2), reader.take("T") || reader.take("t") || reader.take(" "),
      let hour = reader.number(2), reader.take(":"), let minute = reader.number(2), reader.take(":"),
      var second = reader.number(2),
      (1...12).contains(month), day >= 1, day <= EventTime.days(inMonth: month, year: year),
      hour < 24, minute < 60, second <= 60
    else { return nil }
    var fraction: Int64 = 0
    if reader.take(".") {
      guard let micro = reader.fraction() else { return nil }
      fraction = micro
    }
    if second == 60 {
      second = 59
      fraction = 999_999
    }
    var offsetMinutes: Int64 = 0
    if !(reader.take("Z") || reader.take("z")) {
      let sign: Int64
      if reader.take("+") { sign = 1 } else if reader.take("-") { sign = -1 } else { return nil }
      guard let hours = reader.number(2), reader.take(":"), let minutes = reader.number(2), hours < 24,
        minutes < 60
      else { return nil }
      offsetMinutes = sign * (hours * 60 + minutes)
    }
    guard reader.isAtEnd else { return nil }
    let days = EventTime.daysSinceEpoch(year: year, month: month, day: day)
    let seconds = days * 86_400 + hour * 3_600 + (minute - offsetMinutes) * 60 + second
    self.init(microseconds: seconds * 1_000_000 + fraction)
  }

  public init?(_ text: String) {
    let bytes = Array(text.utf8)
    self.init(bytes, ByteRange(start: 0, count: bytes.count))
  }

  /// RFC 3339 in UTC with as many fraction digits as are needed, in threes: `2019-05-20T07:07:47Z`.
  public var description: String {
    let (days, dayMicros) = EventTime.floorDivide(microseconds, 86_400_000_000)
    let (year, month, day) = EventTime.date(daysSinceEpoch: days)
    func pad(_ value: Int64, _ width: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let seconds = dayMicros / 1_000_000
    let micros = dayMicros % 1_000_000
    var text = "\(pad(year, 4))-\(pad(month, 2))-\(pad(day, 2))T"
    text += "\(pad(seconds / 3600, 2)):\(pad(seconds / 60 % 60, 2)):\(pad(seconds % 60, 2))"
    if micros != 0 { text += micros % 1_000 == 0 ? ".\(pad(micros / 1_000, 3))" : ".\(pad(micros, 6))" }
    return text + "Z"
  }

  /// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
  public static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
    let y = month <= 2 ? year - 1 : year
    let era = (y >= 0 ? y : y - 399) / 400
    let yearOfEra = y - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  /// The inverse of `daysSinceEpoch`.
  public static func date(daysSinceEpoch: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let z = daysSinceEpoch + 719_468
    let era = (z >= 0 ? z : z - 146_096) / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let m = (5 * dayOfYear + 2) / 153
    let month = m < 10 ? m + 3 : m - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * m + 2) / 5 + 1)
  }

  static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let remainder = value % divisor
    return remainder < 0
      ? (value / divisor - 1, remainder + divisor) : (value / divisor, remainder)
  }

  static func days(inMonth month: Int64, year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

/// Reads fixed-width decimal numbers out of a byte buffer.
private struct DigitReader {
  let bytes: [UInt8]
  var at: Int
  let end: Int

  var isAtEnd: Bool { at == end }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard at < end, bytes[at] == UInt8(ascii: character) else { return false }
    at += 1
    return true
  }

  mutating func number(_ digits: Int) -> Int64? {
    guard at + digits <= end else { return nil }
    var value: Int64 = 0
    for index in at..<at + digits {
      let digit = bytes[index] &- UInt8(ascii: "0")
      guard digit < 10 else { return nil }
      value = value * 10 + Int64(digit)
    }
    at += digits
    return value
  }

  /// Microseconds of at least one fraction digit.
  mutating func fraction() -> Int64? {
    var value: Int64 = 0
    var scale: Int64 = 100_000
    let first = at
    while at < end, bytes[at] &- UInt8(ascii: "0") < 10 {
      value += Int64(bytes[at] - UInt8(ascii: "0")) * scale
      scale /= 10
      at += 1
    }
    return at == first ? nil : value
  }
}
