import MoontideCore

/// How far something long has come, on stderr: a bar that is drawn over on a terminal, a line every few
/// seconds in a pipe, nothing when quiet. Owned by one thread; reads the clock and nothing else.
final class ProgressBar {
  private let label: String
  private let unit: String
  private let sink: any TextSink
  private let terminal: Terminal
  private let quiet: Bool
  private let clock: any WallClock
  private let started: Duration
  private var drawn: Duration?
  private var shown = false
  private var rate: RateMeter
  private var done: UInt64 = 0
  private var total: UInt64?
  /// What the last line or bar said.
  private var written: UInt64?

  /// A person sees movement at this pace, and drawing costs nothing.
  private static let redraw = Duration.milliseconds(100)
  /// A log file keeps readable.
  private static let lineEvery = Duration.seconds(5)

  /// - Parameters:
  ///   - label: what is being done: `ingest`.
  ///   - unit: of `done` and `total`: `events`.
  init(
    _ label: String, unit: String, to sink: any TextSink, terminal: Terminal, quiet: Bool,
    clock: any WallClock
  ) {
    self.label = label
    self.unit = unit
    self.sink = sink
    self.terminal = terminal
    self.quiet = quiet
    self.clock = clock
    started = clock.monotonic
    rate = RateMeter(at: started)
  }

  /// Tells how far it is; call it as often as you like.
  /// - Parameter total: nil while it is unknown; it may grow.
  func update(done: UInt64, total: UInt64?) throws(OutputClosed) {
    let now = clock.monotonic
    self.done = done
    self.total = total.map { max($0, done) }
    rate.note(done, at: now)
    guard !quiet else { return }
    let pause = terminal.isTerminal ? ProgressBar.redraw : ProgressBar.lineEvery
    if now - (drawn ?? started) < pause { return }
    // A log file is not filled with the same line while nothing moves.
    if !terminal.isTerminal, written == done { return }
    drawn = now
    written = done
    shown = true
    try sink.write(terminal.isTerminal ? "\r" + bar() + "\u{1b}[K" : line() + "\n")
  }

  /// Takes the bar away and, when anything was shown, says what was done in all.
  func finish() throws(OutputClosed) {
    guard shown else { return }
    let seconds = max(RateMeter.seconds(clock.monotonic - started), 0.001)
    let text =
      "\(label): \(Figures.grouped(done)) \(unit) in \(Figures.time(seconds)) "
      + "(\(Figures.rate(Double(done) / seconds)))"
    shown = false
    try sink.write((terminal.isTerminal ? "\r\u{1b}[K" : "") + text + "\n")
  }

  /// `ingest  [######------]  50%  1,000 of 2,000 events  52.3k/s  ETA 0:12`
  private func bar() -> String {
    let columns = max(10, (terminal.columns ?? 80) - 1)
    guard let total, total > 0 else {
      return DisplayText.clipped("\(label)  \(Figures.grouped(done)) \(unit)  \(rateText())", to: columns)
    }
    let tail =
      "  \(percent(of: total))  \(Figures.grouped(done)) of \(Figures.grouped(total)) \(unit)  \(rateText())"
      + (eta(total).map { "  ETA \($0)" } ?? "")
    let cells = columns - DisplayText.width(label) - DisplayText.width(tail) - 4
    guard cells >= 5 else { return DisplayText.clipped(label + tail, to: columns) }
    let width = min(cells, 40)
    let filled = Int(Double(done) / Double(total) * Double(width))
    return label + "  [" + String(repeating: "#", count: filled)
      + String(repeating: "-", count: width - filled) + "]" + tail
  }

  /// `ingest: 1,000 of 2,000 events (50%), 52.3k/s, ETA 0:12`
  private func line() -> String {
    guard let total, total > 0 else { return "\(label): \(Figures.grouped(done)) \(unit), \(rateText())" }
    return "\(label): \(Figures.grouped(done)) of \(Figures.grouped(total)) \(unit) (\(percent(of: total))), "
      + rateText() + (eta(total).map { ", ETA \($0)" } ?? "")
  }

  private func percent(of total: UInt64) -> String {
    "\(Int(Double(done) / Double(total) * 100))%"
  }

  private func rateText() -> String { Figures.rate(rate.perSecond) }

  /// Nil before there is a rate, and at the end.
  private func eta(_ total: UInt64) -> String? {
    guard rate.perSecond > 0, total > done else { return nil }
    return Figures.clock(Double(total - done) / rate.perSecond)
  }
}

/// A rate that follows the last few seconds: an exponential mean with a time constant of 5 s.
struct RateMeter {
  private(set) var perSecond = 0.0
  private var lastDone: UInt64 = 0
  private var lastTime: Duration
  private var hasRate = false

  init(at time: Duration) { lastTime = time }

  mutating func note(_ done: UInt64, at time: Duration) {
    let passed = RateMeter.seconds(time - lastTime)
    guard passed >= 0.05, done >= lastDone else { return }
    let now = Double(done - lastDone) / passed
    let weight = hasRate ? passed / (passed + 5) : 1
    perSecond += (now - perSecond) * weight
    hasRate = true
    lastDone = done
    lastTime = time
  }

  static func seconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}
