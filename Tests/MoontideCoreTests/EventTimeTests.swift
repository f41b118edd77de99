import MoontideCore
import Testing

struct EventTimeTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0), ("2019-05-20T07:07:47.000Z", 1_558_336_067_000_000),
    ("2011-10-01T00:38:44.546+02:00", 1_317_422_324_546_000), ("2000-02-29T23:59:60Z", 951_868_799_999_999),
    ("1969-12-31T23:59:59.999999Z", -1), ("2010-12-01 08:26:00.1234567-00:30", 1_291_193_760_123_456),
  ])
  func `an RFC 3339 time is read to the microsecond`(text: String, micros: Int64) {
    #expect(EventTime(text)?.microseconds == micros)
  }

  @Test(arguments: [
    "", "2019-05-20", "2019-05-20T07:07:47", "2019-13-20T07:07:47Z", "2019-02-29T07:07:47Z",
    "2019-05-20T24:00:00Z", "2019-05-20T07:07:47.Z", "2019-05-20T07:07:47Zx", "2019-05-20T07:07:47+2:00",
  ])
  func `anything else is not a time`(text: String) { #expect(EventTime(text) == nil) }

  @Test func `a time is written as it can be read again`() throws {
    for micros in [
      0, -1, 1_558_336_067_000_000, 1_317_422_324_546_000, 951_868_799_999_999, -62_135_596_800_000_000,
    ] {
      let time = EventTime(microseconds: Int64(micros))
      #expect(EventTime(time.description) == time, "\(time)")
    }
    #expect(EventTime(microseconds: 1_558_336_067_000_000).description == "2019-05-20T07:07:47Z")
  }
}
