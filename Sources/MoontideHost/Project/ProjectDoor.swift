public import MoontideCore
import MoontideLog

/// The way to a project: through the process that runs it, or, when nobody does, by holding it for the
/// moment.
public enum ProjectDoor {
  /// How long a command waits for another short one to let go of the project.
  private static let patience = Duration.seconds(10)

  /// Answers one statement. One that asks read models alone needs nobody: their files are read beside whoever
  /// writes them, and any number of processes may do so. System tables need the log, and so the way of
  /// `access`.
  public static func query(
    _ request: QueryRequest, of paths: ProjectPaths, to sink: any RowSink
  ) throws(Diagnostic) {
    guard request.after == nil, !mayReadSystem(request.sql) else {
      return try access(paths).query(request, to: sink)
    }
    try QuerySession(paths: paths, files: PosixFileSystem(), clock: SystemClock(), tables: [])
      .run(request, to: sink)
  }

  /// Whether a system table's name appears in the text, with or without its schema.
  static func mayReadSystem(_ sql: String) -> Bool {
    let words = sql.lowercased().split { !($0.isLetter || $0.isNumber || $0 == "_") }
    return words.contains { SystemTables.names.contains(String($0)) }
  }

  /// Has a run take up the scripts as they are now; nil when nothing runs. Then the scripts are only loaded:
  /// throws what is wrong with them.
  public static func reload(
    _ request: ReloadRequest, of paths: ProjectPaths
  ) throws(ProjectFault) -> ReloadReport? {
    let report = try ProjectFault.told { () throws(Diagnostic) -> ReloadReport? in
      guard let client = try ControlClient.connect(paths) else { return nil }
      return try client.reload(request)
    }
    if let report { return report }
    let loaded = try ProjectFault.told { () throws(Diagnostic) in
      try LoadedScripts.load(paths, files: PosixFileSystem())
    }
    if loaded.hasErrors { throw ProjectFault(loaded.problems) }
    return nil
  }

  /// For asking and publishing. Throws `E0608` when a process holds the project that does not answer.
  /// - Parameter cancellation: stops queries that are asked this way.
  public static func access(
    _ paths: ProjectPaths, stoppedBy cancellation: QueryCancellation? = nil
  ) throws(Diagnostic) -> any ProjectAccess {
    let clock = SystemClock()
    let deadline = clock.monotonic + patience
    while true {
      if let client = try ControlClient.connect(paths, stoppedBy: cancellation) { return client }
      do throws(Diagnostic) {
        return RunningAccess(try MoontideProject.hold(paths), cancellation: cancellation)
      } catch {
        guard error.code == HostCode.locked.code, clock.monotonic < deadline else { throw error }
      }
      clock.sleep(for: .milliseconds(20))
    }
  }
}
