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
    TestLater.self, SchemaLater.self,
  ]
}

struct TestLater: LaterCommand {
  static let name = "test"
  static let instead = "until then moontide check loads every script"
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}

struct SchemaLater: LaterCommand {
  static let name = "schema"
  static let instead = "the registry comes with it"
  @Argument(parsing: .captureForPassthrough) var words: [String] = []
}
