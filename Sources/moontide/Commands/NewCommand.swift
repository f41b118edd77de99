import ArgumentParser
import MoontideCore
import MoontideHost

/// `new NAME [--template hello|shop]`
struct NewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "A project that runs at once.",
    usage: "moontide new <name> [--template hello|shop]",
    discussion: "Example: moontide new shop --template shop")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The folder to make.") var name: String
  @Option(help: "hello or shop.") var template = TemplateName.hello

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      try ProjectTemplate(template).write(to: name, files: SystemSurroundings.files)
      try session.note(
        """
        made \(name) from the template \(template.rawValue); next:
          moontide run \(shellWord) --once
          moontide query \(shellWord) "\(ProjectTemplate(template).firstQuery)"
        """)
    }
  }

  /// The name as a shell takes it.
  private var shellWord: String {
    let isPlain = name.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || ("0"..."9").contains($0) || "/._-+:@%,".unicodeScalars.contains($0)
    }
    return isPlain
      ? name
      : "'"
        + name.split(separator: "'", omittingEmptySubsequences: false)
        .joined(separator: "'\\''") + "'"
  }
}
