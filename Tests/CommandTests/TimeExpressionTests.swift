import MoontideCore
import Testing

@testable import moontide

struct TimeExpressionTests {
  /// A Tuesday.
  private let now = EventTime("2026-11-17T09:14:03Z")!

  private func instant(
    _ text: String, _ role: TimeExpression.Role = .end, zone: CivilZone = .utc
  ) throws -> String {
    let expression = try TimeExpression.parse(text, as: role, now: now, zone: zone)
    guard case .instant = expression else { return "no instant: \(expression)" }
    return expression.description
  }

  @Test(arguments: [
    ("2026-11-17T09:14:03Z", "2026-11-17T09:14:03Z"),
    ("2026-11-17t09:14:03.25+02:00", "2026-11-17T07:14:03.250Z"),
    ("2026-11-17 09:14:03Z", "2026-11-17T09:14:03Z"), ("2026-11-17T09:14", "2026-11-17T09:14:00Z"),
    ("2026-11-17 09:14:03.5", "2026-11-17T09:14:03.500Z"), ("-2h", "2026-11-17T07:14:03Z"),
    ("-1h30m", "2026-11-17T07:44:03Z"), ("-3d", "2026-11-14T09:14:03Z"), ("-1w2d", "2026-11-08T09:14:03Z"),
    ("-0s", "2026-11-17T09:14:03Z"), ("now", "2026-11-17T09:14:03Z"),
  ]) func `instants are instants in every role`(text: String, expected: String) throws {
    #expect(try instant(text, .end) == expected)
    #expect(try instant(text, .start) == expected)
  }

  @Test(arguments: [
    ("2026-11-17", "2026-11-17"), ("today", "2026-11-17"), ("yesterday", "2026-11-16"),
    ("last tuesday", "2026-11-10"), ("Last  Tuesday", "2026-11-10"), ("tuesday", "2026-11-10"),
    ("last mon", "2026-11-16"), ("last wednesday", "2026-11-11"), ("2024-02-29", "2024-02-29"),
    ("1969-12-31", "1969-12-31"), ("9999-12-31", "9999-12-31"),
  ]) func `a day is its end in as-of and its start elsewhere`(text: String, day: String) throws {
    #expect(try instant(text, .end) == day + "T23:59:59.999999Z")
    #expect(try instant(text, .start) == day + "T00:00:00Z")
  }

  @Test func `places in the log are not instants`() throws {
    func parse(_ text: String) throws -> TimeExpression {
      try TimeExpression.parse(text, as: .end, now: now, zone: .utc)
    }
    #expect(try parse("#48211") == .position(Position(48_211)))
    #expect(try parse(" #0 ") == .position(.start))
    #expect(
      try parse("orders/1@1042") == .offset(topic: TopicName("orders")!, partition: 1, offset: Offset(1_042)))
    #expect(try parse("orders/1@1042").description == "orders/1@1042")
  }

  @Test(arguments: [
    "", "  ", "tomorrow week", "2026-13-01", "2026-02-29", "2026-11-17T25:00", "-", "-2", "-h", "-2x",
    "-30m2h",
    "-2h-3m", "#", "#-1", "#+1", "#1.5", "#99999999999999999999", "orders@5", "orders/1@", "orders/70000@1",
    "or ders/1@2", "last", "last week", "last 2026-11-17", "-99999999999999999999d", "-900000w", "11/17/2026",
    "48211",
  ]) func `what is no time is refused with the forms that are`(text: String) {
    let fault = #expect(throws: TimeExpressionFault.self) {
      try TimeExpression.parse(text, as: .end, now: now, zone: .utc)
    }
    #expect(fault?.diagnostic.details.contains { $0.label == "help" && $0.text.contains("#48211") } == true)
  }

  @Test(arguments: [
    ("2027-02-29", "there is no day 2027-02-29"), ("2027-02-30T10:00:00Z", "there is no day 2027-02-30"),
    ("2027-2-3", "months and days have two digits: 2027-02-03"),
    ("2027-02-28T25:00", "the day is one, what follows is no time of it"),
    ("48211", "a position has a # before it: #48211"), ("tomorow", "it has none of the forms of one"),
  ]) func `what is wrong with a time is said`(text: String, reason: String) {
    let fault = #expect(throws: TimeExpressionFault.self) {
      try TimeExpression.parse(text, as: .end, now: now, zone: .utc)
    }
    #expect(fault?.reason == reason)
  }

  @Test func `a slip of the pen gets a suggestion`() {
    let fault = #expect(throws: TimeExpressionFault.self) {
      try TimeExpression.parse("yesteday", as: .end, now: now, zone: .utc)
    }
    #expect(fault?.diagnostic.details.first?.text.hasPrefix("did you mean “yesterday”?") == true)
  }

  @Test func `a fixed zone moves days and times without an offset`() throws {
    let zone = try #require(CivilZone.named("+02:00"))
    #expect(try instant("2026-11-17", .start, zone: zone) == "2026-11-16T22:00:00Z")
    #expect(try instant("2026-11-17T09:14", zone: zone) == "2026-11-17T07:14:00Z")
    #expect(try instant("2026-11-17T09:14:00Z", zone: zone) == "2026-11-17T09:14:00Z")
    let west = try #require(CivilZone.named("-10:00"))
    #expect(try instant("today", .start, zone: west) == "2026-11-16T10:00:00Z")
  }

  /// Middle European Time around its changes in 2026: 29 March 01:00Z and 25 October 01:00Z.
  private let summer = CivilZone(name: "test") { time in
    time >= EventTime("2026-03-29T01:00:00Z")! && time < EventTime("2026-10-25T01:00:00Z")! ? 7_200 : 3_600
  }

  @Test func `days around a change of the clock have 23 and 25 hours`() throws {
    #expect(try instant("2026-03-29", .start, zone: summer) == "2026-03-28T23:00:00Z")
    #expect(try instant("2026-03-29", .end, zone: summer) == "2026-03-29T21:59:59.999999Z")
    #expect(try instant("2026-10-25", .start, zone: summer) == "2026-10-24T22:00:00Z")
    #expect(try instant("2026-10-25", .end, zone: summer) == "2026-10-25T22:59:59.999999Z")
  }

  @Test func `a skipped hour lies behind the jump, a doubled one is the first`() throws {
    #expect(try instant("2026-03-29T02:30", zone: summer) == "2026-03-29T01:30:00Z")
    #expect(try instant("2026-10-25T02:30", zone: summer) == "2026-10-25T00:30:00Z")
  }

  @Test(arguments: ["", "/etc/passwd", "../../etc/passwd", "Europe", "Nowhere/Atall", "+2", "Europe/../UTC"])
  func `what is no zone is refused`(name: String) {
    #expect(CivilZone.named(name) == nil)
  }
}
