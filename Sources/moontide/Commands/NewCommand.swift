import ArgumentParser
import MoontideCore
import MoontideHost

/// `new NAME [--template hello|shop]`
struct NewCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "A project that runs at once.")

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
          moontide run \(name) --once
          moontide query \(name) "\(ProjectTemplate(template).firstQuery)"
        """)
    }
  }
}
