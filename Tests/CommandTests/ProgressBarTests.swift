import MoontideCore
import Synchronization
import Testing

@testable import moontide

/// A clock that a test moves.
final class HandClock: WallClock {
  private let passed = Mutex(Duration.zero)

  var now: EventTime { EventTime(microseconds: 0) }
  var monotonic: Duration { passed.withLock { $0 } }
  func sleep(for duration: Duration) { passed.withLock { $0 += duration } }
}

struct ProgressBarTests {
  private let clock = HandClock()
  private let sink = StringSink()

  private func bar(_ terminal: Terminal, quiet: Bool = false) -> ProgressBar {
    ProgressBar("ingest", unit: "events", to: sink, terminal: terminal, quiet: quiet, clock: clock)
  }

  @Test func `a pipe gets a line every five seconds and one at the end`() throws {
    let progress = bar(.none)
    for second in 1...12 {
      clock.sleep(for: .seconds(1))
      try progress.update(done: UInt64(second) * 1_000, total: 20_000)
    }
    try progress.finish()
    #expect(
      sink.text == """
        ingest: 5,000 of 20,000 events (25%), 1000/s, ETA 0:15
        ingest: 10,000 of 20,000 events (50%), 1000/s, ETA 0:10
        ingest: 12,000 events in 12.0 s (1000/s)

        """)
  }

  @Test func `a terminal gets a bar that is drawn over`() throws {
    let progress = bar(Terminal(isTerminal: true, columns: 81, colors: false))
    clock.sleep(for: .seconds(1))
    try progress.update(done: 100_000, total: 200_000)
    #expect(
      sink.text
        == "\ringest  [#########---------]  50%  100,000 of 200,000 events  100.0k/s  ETA 0:01\u{1b}[K")
    clock.sleep(for: .milliseconds(50))
    try progress.update(done: 110_000, total: 200_000)
    #expect(sink.text.split(separator: "\r").count == 1, "drawn again within 100 ms")
    clock.sleep(for: .milliseconds(950))
    try progress.finish()
    #expect(sink.text.hasSuffix("\r\u{1b}[Kingest: 110,000 events in 2.0 s (55.0k/s)\n"))
  }

  @Test func `a bar without a total shows what it has`() throws {
    let progress = bar(Terminal(isTerminal: true, columns: 60, colors: false))
    clock.sleep(for: .seconds(2))
    try progress.update(done: 1_234, total: nil)
    #expect(sink.text == "\ringest  1,234 events  617/s\u{1b}[K")
  }

  @Test(arguments: [20, 30, 45, 60, 200]) func `a bar never wraps`(columns: Int) throws {
    let progress = bar(Terminal(isTerminal: true, columns: columns, colors: false))
    clock.sleep(for: .seconds(1))
    try progress.update(done: 9_999_999, total: 10_000_000)
    let shown = sink.text.replacing("\r", with: "").replacing("\u{1b}[K", with: "")
    #expect(DisplayText.width(shown) < columns, "\(shown)")
  }

  @Test func `quiet is quiet`() throws {
    let progress = bar(.none, quiet: true)
    clock.sleep(for: .seconds(60))
    try progress.update(done: 1, total: 2)
    try progress.finish()
    #expect(sink.text == "")
  }

  @Test func `what was over before the first line leaves no trace`() throws {
    let progress = bar(.none)
    clock.sleep(for: .seconds(1))
    try progress.update(done: 2, total: 2)
    try progress.finish()
    #expect(sink.text == "")
  }

  @Test func `the rate follows a change within seconds`() {
    var meter = RateMeter(at: .zero)
    for second in 1...30 { meter.note(UInt64(second) * 100, at: .seconds(second)) }
    #expect(abs(meter.perSecond - 100) < 1)
    for second in 31...60 { meter.note(3_000 + UInt64(second - 30) * 1_000, at: .seconds(second)) }
    #expect(meter.perSecond > 950, "\(meter.perSecond)")
  }

  @Test func `figures are those a person reads`() {
    #expect(Figures.grouped(0) == "0")
    #expect(Figures.grouped(1_234_567) == "1,234,567")
    #expect(Figures.rate(0.5) == "0.5/s")
    #expect(Figures.rate(9_999) == "9999/s")
    #expect(Figures.rate(52_340) == "52.3k/s")
    #expect(Figures.rate(999_960) == "1.0M/s")
    #expect(Figures.time(0.317) == "0.32 s")
    #expect(Figures.time(187) == "3:07 min")
    #expect(Figures.clock(7_210) == "2:00:10")
    #expect(Figures.bytes(340) == "340 B")
    #expect(Figures.bytes(8_493_465) == "8.1 MiB")
    #expect(Figures.decimal(-0.04, places: 1) == "0.0")
  }
}
