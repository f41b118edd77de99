public import MoontideCore
import MoontideLog
import MoontideSQLite

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
      let watched = BegunSink(sink)
      do throws(Diagnostic) {
        return try access(paths).query(request, to: watched)
      } catch {
        // The run that was asked has died, and nobody has seen a part of its answer: whoever has the project
        // now is asked.
        guard error.code == HostCode.connection.code, !watched.hasBegun else { throw error }
        return try access(paths).query(request, to: sink)
      }
    }
    try QuerySession(paths: paths, files: PosixFileSystem(), clock: SystemClock(), tables: [])
      .run(request, to: sink)
  }

  /// Whether a system table may be asked: its name stands in the text, and not as the column of something
  /// else.
  static func mayReadSystem(_ sql: String) -> Bool {
    let tokens = SQLWords(sql).tokens
    return tokens.indices.contains { index in
      let token = tokens[index]
      guard token.kind != .text, SystemTables.names.contains(token.text.lowercased()) else { return false }
      guard index >= 2, tokens[index - 1].text == "." else { return true }
      return tokens[index - 2].text.lowercased() == "sys"
    }
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

/// Knows whether anything of an answer was handed on.
private final class BegunSink: RowSink {
  private let sink: any RowSink
  private(set) var hasBegun = false

  init(_ sink: any RowSink) { self.sink = sink }

  func columns(_ names: [String]) throws(Diagnostic) {
    hasBegun = true
    try sink.columns(names)
  }

  func row(_ row: RowBuffer) throws(Diagnostic) { try sink.row(row) }
}
