import ArgumentParser
import MoontideCore
import MoontideHost

/// `backup [DIR] FILE`
struct BackupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy data/ into one file, also while a run goes on.",
    discussion: """
      The file is a tar archive: the stores, also those of removed handlers (data/archive), each as of one \
      commit, the kept scripts, and the log up to one position. What is in handlers/, lib/ and events/ is not \
      in it, nor the former read model that projection rollback goes back to. Put it back with moontide \
      restore.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then the file to write.", valueName: "dir> <file"))
  var words: [String]

  func validate() throws {
    guard (1...2).contains(words.count) else { throw ValidationError("backup takes [DIR] and a file") }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(words.count == 2 ? words[0] : nil)
      let file = words[words.count - 1]
      let result = try ProjectBackup(project).write(to: file)
      try session.note(
        "\(file): everything up to \(result.position), \(Figures.counted(UInt64(result.files), "file")), "
          + Figures.counted(result.bytes, "byte"))
    }
  }
}

/// `restore FILE DIR`
struct RestoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Verify a backup and put its data/ into a project that has none.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The file that backup wrote.") var file: String
  @Argument(help: "The project; made when it is missing.") var directory: String

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let result = try ProjectRestore(file, into: directory).restore()
      try session.note(
        "\(directory)/data: verified and restored up to \(result.position), "
          + "\(Figures.counted(result.records, "record")), "
          + "\(Figures.counted(UInt64(result.stores), "store"))\nhelp: moontide run \(directory)")
    }
  }
}
