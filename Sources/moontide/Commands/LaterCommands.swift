import ArgumentParser

/// A command of the contract that a later version brings: it says so instead of being unknown.
protocol LaterCommand: ParsableCommand {
  static var name: String { get }
  /// What to do until then.
  static var instead: String { get }
}

extension LaterCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: name, abstract: "Comes in a later version.", shouldDisplay: false)
  }

  func run() throws { throw ValidationError("\(Self.name) comes in a later version; \(Self.instead)") }
}

/// All of them.
enum LaterCommands {
  static let all: [any ParsableCommand.Type] = [
    TestLater.self, ReplLater.self, WhyLater.self,
    ImpactLater.self, SchemaLater.self,
  ]
}

struct TestLater: LaterCommand {
  static let name = "test"
  static let instead = "until then moontide check loads every script"
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct ReplLater: LaterCommand {
  static let name = "repl"
  static let instead = "until then: moontide query DIR \"select …\""
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct WhyLater: LaterCommand {
  static let name = "why"
  static let instead = "until then: moontide events cat --key KEY"
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct ImpactLater: LaterCommand {
  static let name = "impact"
  static let instead = "until then emitted events name their cause in meta"
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct SchemaLater: LaterCommand {
  static let name = "schema"
  static let instead = "the registry comes with it"
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}
