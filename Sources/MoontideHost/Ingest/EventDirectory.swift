public import MoontideCore
import MoontideJSON

/// Finds the files of a project's event directory. A pure reader of names: it keeps nothing between scans.
public struct EventDirectory: Sendable {
  /// What one look at the directory found.
  public struct Scan: Sendable {
    /// In byte order of their path: the order in which they are read.
    public var files: [SourceFile] = []
    /// All folders, for watching.
    public var folders: [String] = []
    /// Folders that are no topics, and what the file system refused.
    public var problems: [Diagnostic] = []
    /// The system was short of something: there may be more files than these. Look again.
    public var isIncomplete = false
  }

  /// The path of `events/`, for opening.
  public let path: String
  /// What messages call it.
  public let name: String
  /// The folder of command files; nil: commands are not read.
  private let commands: String?
  private let files: any FileSystem

  public init(path: String, name: String = "events", commands: String? = nil, files: any FileSystem) {
    self.path = path
    self.name = name
    self.commands = commands
    self.files = files
  }

  /// Looks through the folder: files `*.jsonl` and `*.jsonl.gz`, dot files left out. A file directly in it
  /// feeds the topic `events`, one below a folder the topic of the outermost folder's name; files of commands
  /// are lines of the topic `_commands`. A directory that
  /// is not there is an empty one.
  public func scan() -> Scan {
    var scan = Scan()
    walk(path, name: name, topic: nil, above: [], into: &scan)
    if let commands { walk(commands, name: "commands", topic: .commands, above: [], into: &scan) }
    scan.files.sort { Array($0.name.utf8).lexicographicallyPrecedes(Array($1.name.utf8)) }
    return scan
  }

  /// - Parameter above: the folders that lead here, outermost first.
  private func walk(
    _ folder: String, name: String, topic: TopicName?, above: [FileStatus], into scan: inout Scan
  ) {
    guard above.count <= Limits.eventFolderDepthMax else {
      scan.problems.append(
        problem(.topicFolder, name, "folders may be nested \(Limits.eventFolderDepthMax) deep"))
      return
    }
    do throws(FileError) {
      guard let status = try files.status(folder), status.isDirectory else { return }
      // A link to a folder above: all that is in it is found without it.
      let leadsUp = above.contains { $0.inode == status.inode && $0.device == status.device }
      if leadsUp, status.device != 0 {
        scan.problems.append(
          problem(.topicFolder, name, "\(name) leads to a folder above it and is left out"))
        return
      }
      scan.folders.append(folder)
      for entry in try files.list(folder) where !entry.hasPrefix(".") {
        let (path, shown) = ("\(folder)/\(entry)", "\(name)/\(entry)")
        do throws(FileError) {
          try look(at: path, name: shown, entry, topic, above + [status], into: &scan)
        } catch {
          // A link that leads to itself must not keep what comes behind it from being read.
          scan.problems.append(
            problem(.sourceFile, shown, "\(error.operation) of \(shown) failed: \(error.reason)"))
        }
      }
    } catch {
      if error.isPassing { scan.isIncomplete = true }
      scan.problems.append(
        problem(.sourceFile, name, "\(error.operation) of \(name) failed: \(error.reason)"))
    }
  }

  private func look(
    at path: String, name: String, _ entry: String, _ topic: TopicName?, _ above: [FileStatus],
    into scan: inout Scan
  ) throws(FileError) {
    // Deleted between list and status: nothing is there.
    guard let status = try files.status(path) else { return }
    if status.isDirectory {
      // The folder of commands brings its topic; below the events none may have the name of a system topic.
      guard let topic = topic ?? TopicName(entry).flatMap({ $0.isSystem ? nil : $0 }) else {
        let rule = "a folder of events must have the name of a topic, not `\(entry)`"
        scan.problems.append(problem(.topicFolder, name, rule))
        return
      }
      walk(path, name: name, topic: topic, above: above, into: &scan)
    } else if entry.hasSuffix(".jsonl") || entry.hasSuffix(".jsonl.gz") {
      guard status.isRegular else {
        scan.problems.append(problem(.sourceFile, name, "\(name) is a pipe or a device, not a file"))
        return
      }
      scan.files.append(
        SourceFile(
          path: path, name: name, topic: topic ?? .events, isGzip: entry.hasSuffix(".gz"), status: status))
    }
  }

  private func problem(_ rule: EnvelopeRule, _ name: String, _ title: String) -> Diagnostic {
    Diagnostic(.warning, code: rule.code, title, details: [.init("folder", name), .init("help", rule.mend)])
  }
}
