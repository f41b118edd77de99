import ArgumentParser
import MoontideCore
import MoontideHost

/// `--as-of`, `--as-known` and the zone of their days.
struct PastOptions: ParsableArguments {
  /// For the help of every command that takes them.
  static let explanation = """
    --as-of T counts what had happened by T, late events included; --as-known T what the log held by T; \
    both: what of it was known then. T is a time, a day (its end), -2h, yesterday, last tuesday, #POSITION or \
    TOPIC/PARTITION@OFFSET. A position stands for its event's time in --as-of, and for the log up to it in \
    --as-known. What T came to is told on stderr.
    """

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What had happened by then, late events included.", valueName: "TIME"))
  var asOf: String?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("What the log held by then.", valueName: "TIME")) var asKnown:
    String?
  @Option(help: ArgumentHelp("The zone of days and of times without an offset: UTC.", valueName: "ZONE"))
  var tz: String?

  /// Nil when it is the present that is asked. Throws a `Diagnostic` for what is no time or no zone.
  func moment() throws -> PastMoment? {
    guard asOf != nil || asKnown != nil else { return nil }
    let zone = try zone()
    return PastMoment(
      asOf: try asOf.map { try PastOptions.moment($0, zone) },
      asKnown: try asKnown.map { try PastOptions.moment($0, zone) })
  }

  private func zone() throws(Diagnostic) -> CivilZone {
    guard let tz else { return .utc }
    guard let zone = CivilZone.named(tz) else {
      throw Diagnostic(
        code: CommandCode.zone.code, "“\(tz)” is not a time zone",
        details: [.init("help", CommandCode.zone.mend)])
    }
    return zone
  }

  static func moment(_ text: String, _ zone: CivilZone = .utc) throws(Diagnostic) -> LogMoment {
    do throws(TimeExpressionFault) {
      switch try TimeExpression.parse(text, as: .end, now: SystemSurroundings.clock.now, zone: zone) {
      case .instant(let time): return .instant(time)
      case .position(let position): return .position(position)
      case .offset(let topic, let partition, let offset): return .offset(topic, partition: partition, offset)
      }
    } catch { throw error.diagnostic }
  }
}
