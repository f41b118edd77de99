import Glibc
import MoontideCore

/// A time zone: how far local time is ahead of UTC at an instant.
struct CivilZone: Sendable {
  static let dayMicroseconds: Int64 = 86_400_000_000
  /// 0000-01-01T00:00:00Z.
  static let earliest = EventTime(microseconds: -62_167_219_200_000_000)
  /// 9999-12-31T23:59:59.999999Z.
  static let latest = EventTime(microseconds: 253_402_300_799_999_999)

  /// As `--tz` names it.
  let name: String
  private let offsetSeconds: @Sendable (EventTime) -> Int64

  init(name: String, offsetSeconds: @escaping @Sendable (EventTime) -> Int64) {
    self.name = name
    self.offsetSeconds = offsetSeconds
  }

  static let utc = CivilZone(name: "UTC") { _ in 0 }

  /// The day on which `time` falls here.
  func day(of time: EventTime) -> CivilDay {
    let local = time.microseconds + offsetSeconds(time) * 1_000_000
    let days = local / CivilZone.dayMicroseconds
    return CivilDay(number: local % CivilZone.dayMicroseconds < 0 ? days - 1 : days)
  }

  /// The instant of a local time. In the hour that a clock skips it is the one after the jump; of an hour
  /// that comes twice the first. Nil outside the years 0000 to 9999.
  func instant(of civil: CivilTime) -> EventTime? {
    CivilZone.instant(microseconds: microseconds(of: civil))
  }

  /// Nil outside the years 0000 to 9999.
  static func instant(microseconds: Int64) -> EventTime? {
    let time = EventTime(microseconds: microseconds)
    return time >= earliest && time <= latest ? time : nil
  }

  /// The same without the bound, since 1970.
  func microseconds(of civil: CivilTime) -> Int64 {
    let local = civil.day.number * CivilZone.dayMicroseconds + civil.microseconds
    func candidate(_ near: Int64) -> Int64 {
      local - offsetSeconds(EventTime(microseconds: near)) * 1_000_000
    }
    // The offsets half a day before and after are those on both sides of any change nearby.
    let half = CivilZone.dayMicroseconds / 2
    let earlier = candidate(local - half)
    let later = candidate(local + half)
    func isExact(_ value: Int64) -> Bool { candidate(value) == value }
    return isExact(earlier) ? earlier : isExact(later) ? later : max(earlier, later)
  }

  /// `UTC`, `Z`, `+02:00`, or a name of the system's zone files such as `Europe/Berlin`; else nil.
  ///
  /// A named zone sets the `TZ` of the process: call it once, on the main thread, before any other starts.
  static func named(_ name: String) -> CivilZone? {
    if name == "Z" || name.uppercased() == "UTC" { return utc }
    if let time = EventTime("1970-01-02T00:00:00" + name) {
      let seconds = (dayMicroseconds - time.microseconds) / 1_000_000
      return CivilZone(name: name) { _ in seconds }
    }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    var status = stat()
    guard parts.allSatisfy({ !$0.isEmpty && $0.first != "." }),
      name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
      stat("/usr/share/zoneinfo/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    setenv("TZ", ":" + name, 1)
    tzset()
    return CivilZone(name: name) { time in
      var seconds = time_t(time.microseconds / 1_000_000)
      var local = tm()
      localtime_r(&seconds, &local)
      return Int64(local.tm_gmtoff)
    }
  }
}
