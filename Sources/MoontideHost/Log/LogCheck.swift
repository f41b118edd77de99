public import MoontideCore
import MoontideLog

/// What `events verify` found.
public struct LogCheck: Sendable {
  public var records: UInt64
  public var batches: UInt64
  public var bytes: UInt64
  /// Damaged places, in order; at most as many as the verifier keeps.
  public var problems: [Diagnostic]
  /// All of them.
  public var problemCount: Int
}

extension MoontideProject {
  /// Reads every byte of the project's log and checks sums, positions, offsets and identities. `progress` is told
  /// bytes done and in all; what it throws ends the check. Holds the project meanwhile.
  public static func verify(
    _ paths: ProjectPaths, progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> LogCheck {
    let lock = try held(paths, files: SystemSurroundings.files)
    defer { withExtendedLifetime(lock) {} }
    return try check(LogVerifier(directory: paths.log, files: SystemSurroundings.files), paths, progress)
  }

  /// The same for a project that is held already.
  func verifyLog() throws(Diagnostic) -> LogCheck {
    try MoontideProject.check(LogVerifier(directory: paths.log, files: files), paths) {
      _, _ throws(Diagnostic) in
    }
  }

  private static func check(
    _ verifier: LogVerifier, _ paths: ProjectPaths, _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> LogCheck {
    var fault: Diagnostic?
    let report = try LogError.told { () throws(LogError) in
      try verifier.verify { done, total in
        if fault != nil { return }
        do throws(Diagnostic) { try progress(done, total) } catch { fault = error }
      }
    }
    if let fault { throw fault }
    let problems = report.problems.map { problem in
      Diagnostic(
        .logDamaged,
        "\(paths.relative(problem.file)) is damaged at byte \(problem.byteOffset): \(problem.reason)",
        help: "restore the segment from a backup; records around it are not touched")
    }
    return LogCheck(
      records: report.records, batches: report.batches, bytes: report.bytes, problems: problems,
      problemCount: report.problemCount)
  }
}
