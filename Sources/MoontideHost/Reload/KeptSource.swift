public import MoontideCore
import MoontideLog
import MoontideLua
import MoontideRuntime

/// The scripts that one version of a definition is made of.
public struct KeptSource: Sendable {
  public struct File: Sendable, Hashable {
    /// Relative to the project, as it was then.
    public var path: String
    public var text: [UInt8]
  }

  /// `projection`, `consumer`, …
  public var kind: String
  public var name: String
  /// 12 hexadecimal digits.
  public var version: String
  /// When that version was first at work; nil when it never was.
  public var since: EventTime?
  /// Handler file, upcasters and modules, by path.
  public var files: [File]

  /// Finds them in the log, beside a run too, else among the scripts as they are now.
  /// - Parameter version: its beginning; nil: the one that is at work, or was last.
  public static func find(
    _ name: String, version: String? = nil, in paths: ProjectPaths
  ) throws(Diagnostic) -> KeptSource {
    let files = SystemSurroundings.files
    var known: [String] = []
    let hasLog = try FileError.told { () throws(FileError) in
      try files.status(paths.log + "/segments") != nil
    }
    if hasLog {
      let log = try LogError.told { () throws(LogError) in
        try LogReader(directory: paths.log, files: files)
      }
      let kept = KeptScripts(paths: paths, files: files, log: log)
      let takeovers = try kept.takeovers()
      for (index, takeover) in takeovers.enumerated().reversed() {
        for entry in takeover.present where entry.name == name {
          if !known.contains(entry.version) { known.append(entry.version) }
          guard entry.version.hasPrefix(version ?? ""), let scripts = try kept.scripts(of: takeover) else {
            continue
          }
          // It may have been carried on since an earlier one.
          let first =
            takeovers[...index].last {
              $0.definitions.contains { $0.entry == entry && $0.change != .same }
            } ?? takeover
          return KeptSource(entry, scripts, since: first.since ?? first.recorded)
        }
      }
    }
    let now = try LoadedScripts.load(paths, files: files)
    if let entry = now.outline().entries.first(where: { $0.name == name }) {
      if entry.version.hasPrefix(version ?? "") { return KeptSource(entry, now.files, since: nil) }
      if !known.contains(entry.version) { known.append(entry.version) }
    }
    guard known.isEmpty else {
      throw Diagnostic(
        .noSuchHandler, "there is no version \(version ?? "") of \(name)",
        help: "it was at work as " + known.joined(separator: ", "))
    }
    let names = now.outline().entries.map(\.name)
    throw Diagnostic(
      .noSuchHandler, "there is no handler \(name), and never was",
      help: Suggestion.nearest(to: name, among: names).map { "did you mean \($0)?" })
  }

  private init(_ entry: ScriptOutline.Entry, _ scripts: ScriptFiles, since: EventTime?) {
    kind = entry.kind.rawValue
    name = entry.name
    version = entry.version
    self.since = since
    files = scripts.all.filter { entry.files.contains($0.path) }
      .map { File(path: $0.path, text: $0.text) }
  }
}
