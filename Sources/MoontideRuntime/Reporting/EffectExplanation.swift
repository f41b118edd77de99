import MoontideCore

extension CodeExplanation {
  /// The texts of what is told about effects.
  static func ofEffect(_ code: RuntimeCode) -> CodeExplanation? {
    switch code {
    case .effectRefused:
      .init(
        "what a handler asks for by ctx.effect cannot be performed",
        what:
          "A request is checked when the handler makes it: its kind and fields, its sizes, the programs and "
          + "environment variables that moontide.lua allows. Nothing was performed.",
        help: "The message gives the rule. Programs and variables are allowed by name: "
          + "programs = { mailer = \"/usr/bin/mailer\" }, env = { \"MAIL_URL\" }.")
    case .effectTooMany:
      .init(
        "one event has too many effects",
        what: "What one event causes is committed at once and has a bound.",
        help: "Emit events, and have a further handler make one effect of each.")
    case .effectGivenUp:
      .init(
        "an effect was given up",
        what: "It failed as often as the handler's retry policy tries, or the answer says that no other try "
          + "would do (a 4xx of a server). The handler's on_result was told, with ok = false; later effects "
          + "of the same key went on. The key of the effect stays the same, whoever tries it again.",
        help: "moontide effects show KEY tells what came back; moontide effects retry KEY performs it again.")
    case .effectVariableUnset:
      .init(
        "a variable that effects refer to is not set",
        what: "The settings allow effects to refer to it as ctx.env.NAME, and the process that performs them "
          + "has no value for it, or one that is not UTF-8 or too long. An effect that needs it is given up: "
          + "no other try would change that.",
        help: "Stop the run, set the variable and start it again; moontide effects retry performs those that "
          + "were given up. One that nothing needs is taken out of env in moontide.lua.")
    case .effectTargetRests:
      .init(
        "a target of effects is left alone for a while",
        what:
          "\(Limits.circuitFailures) tries failed one behind the other because nobody answered in time or "
          + "the target said that it cannot now, or it asked for it (Retry-After). Then one try goes "
          + "through, and opens the way again or doubles the rest, up to half a minute. Effects only wait: "
          + "how often each is tried is up to the handler's retry.",
        help: "moontide effects ls shows what waits. Mend the target; nothing is to be done here.")
    default: nil
    }
  }
}
