import ArgumentParser
import MoontideCore
import MoontideHost

/// `impact POSITION`
struct ImpactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "impact", abstract: "Show what an event caused, as a tree.",
    usage: "moontide impact <position> [-C <dir>] [--depth <n>] [--width <n>] [-o <format>]",
    discussion: """
      POSITION is 48211, #48211 or orders/1@1042; a command and any other record of the log has one too. \
      Under it stand the rows that it wrote with their values before and after, events that handlers \
      emitted, commands and their outcomes, timers, effects and what came of them, how sagas went on, dead \
      letters and what waits behind them; and under each what it caused in turn. With --json or -o there is \
      a row for each, with the number of its cause.

      Causes are recorded in the log and the handlers' files; rows are found by folding again, by the \
      scripts as they are now. Nothing is performed or changed. It works beside a run.

      Example: moontide impact orders/1@1042
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The place of a record in the log.") var position: String
  @Option(help: ArgumentHelp("How many steps from the event are drawn.", valueName: "N")) var depth =
    Limits.impactDepthShown
  @Option(help: ArgumentHelp("How many consequences of one thing are drawn.", valueName: "N")) var width =
    Limits.impactWidthShown

  func validate() throws {
    guard depth >= 0, width >= 1 else { throw ValidationError("--depth is 0 or more, --width 1 or more") }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let tree = try EventImpact(try session.project()).tell(
        try place(), observer: PastReporter(session))
      guard options.json || options.format != nil else {
        return try StreamSink.standardOutput().write(tree.text(depth: depth, width: width))
      }
      let sink = PrintingSink(options)
      try tree.rows(to: sink)
      try sink.finish()
    }
  }

  private func place() throws(Diagnostic) -> LogMoment {
    if let number = UInt64(position) { return .position(Position(number)) }
    do throws(TimeExpressionFault) {
      switch try TimeExpression.parse(
        position, as: .start, now: SystemSurroundings.clock.now, zone: .utc)
      {
      case .instant(let time): return .instant(time)
      case .position(let position): return .position(position)
      case .offset(let topic, let partition, let offset): return .offset(topic, partition: partition, offset)
      }
    } catch { throw error.diagnostic }
  }
}
