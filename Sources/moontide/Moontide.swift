import ArgumentParser

@main
struct Moontide: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moontide", abstract: "Events in, read models out.")
}
