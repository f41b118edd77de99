import ArgumentParser

@main
struct MoontideBench: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "moontide-bench")
}
