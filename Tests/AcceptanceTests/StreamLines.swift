import Foundation
import Testing

/// Streams folded from event lines alone, by dictionaries: shares nothing with what it judges.
struct StreamLines {
  /// A stream after so many of its events.
  struct Step: Equatable {
    var version: Int
    var time: String?
    var type: String?
    var state: NSDictionary
  }

  private struct Line {
    var number: Int
    var id: String
    var type: String
    var time: String
    /// Since 1970.
    var microseconds: Int64
    var data: [String: Any]
  }

  private var streams: [String: [Line]] = [:]

  init(_ lines: [String]) throws {
    for (number, text) in lines.enumerated() {
      let event = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
      let time = try #require(event["time"] as? String)
      let line = Line(
        number: number, id: try #require(event["id"] as? String),
        type: try #require(event["type"] as? String),
        time: time, microseconds: try #require(StreamLines.microseconds(time)),
        data: try #require(event["data"] as? [String: Any]))
      streams[try #require(event["key"] as? String), default: []].append(line)
    }
  }

  var keys: [String] { streams.keys.sorted() }

  /// How many streams have an event whose time is before that of an earlier line.
  var lateStreams: Int {
    streams.values.count { lines in
      zip(lines, lines.dropFirst()).contains { $0.microseconds > $1.microseconds }
    }
  }

  func times(of key: String) -> [Int64] { (streams[key] ?? []).map(\.microseconds) }

  /// The beginning and the step after each line of a stream that counts: those before line `end` with a time
  /// up to `until`.
  func states(of key: String, until: Int64 = .max, before end: Int = .max) throws -> [Step] {
    var (events, trail) = (0, 0)
    var types: [String: Int] = [:]
    var state: [String: Any] = ["events": 0, "trail": 0, "types": types]
    var steps = [Step(version: 0, state: state as NSDictionary)]
    for line in streams[key] ?? [] where line.microseconds <= until && line.number < end {
      events += 1
      let digits = String(line.id.reversed().prefix { $0.isNumber }.reversed())
      trail = (trail * 31 + (Int(digits) ?? 0) + line.type.utf8.count) % 1_000_003
      types[line.type, default: 0] += 1
      state["events"] = events
      state["trail"] = trail
      state["types"] = types
      state["last"] = line.time
      if let resource = line.data["resource"] { state["resource"] = resource }
      if let amount = line.data["amountRequested"] { state["amount"] = amount }
      steps.append(
        Step(version: events, time: line.time, type: line.type, state: state as NSDictionary))
    }
    return steps
  }

  /// Of RFC 3339 with milliseconds or less and an offset: days counted by Howard Hinnant's `days_from_civil`.
  static func microseconds(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int64? {
      bytes.count < range.upperBound ? nil : Int64(String(decoding: bytes[range], as: UTF8.self))
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19)
    else { return nil }
    var at = 19
    var fraction: Int64 = 0
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      var unit: Int64 = 100_000
      at += 1
      while at < bytes.count, let digit = Int64(String(decoding: bytes[at...at], as: UTF8.self)) {
        fraction += digit * unit
        unit /= 10
        at += 1
      }
    }
    guard at < bytes.count else { return nil }
    var offset: Int64 = 0
    if bytes[at] != UInt8(ascii: "Z") {
      guard let hours = number(at + 1..<at + 3), let minutes = number(at + 4..<at + 6) else { return nil }
      offset = (hours * 60 + minutes) * (bytes[at] == UInt8(ascii: "-") ? -1 : 1)
    }
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    return (((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1_000_000 + fraction
  }

  /// RFC 3339 with microseconds, in UTC.
  static func text(_ microseconds: Int64) -> String {
    let seconds = Int64((Double(microseconds) / 1_000_000).rounded(.down))
    let whole = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
    let digits = String(microseconds - seconds * 1_000_000)
    return whole.dropLast() + "." + String(repeating: "0", count: 6 - digits.count) + digits + "Z"
  }
}
