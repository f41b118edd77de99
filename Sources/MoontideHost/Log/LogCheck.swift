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
  /// A cut behind the last recorded durable end, in words; nil when the log ends with a whole batch, or
  /// while another process appends.
  public var tornTail: Diagnostic?
  /// What repairs have given up, one note for each gap.
  public var gaps: [Diagnostic] = []
  /// Positions in those gaps.
  public var lost: UInt64 = 0
  /// Where the sound batches end.
  public var end: Position
}

extension MoontideProject {
  /// Reads every byte of the project's log and checks sums, positions, offsets and identities. `progress` is
  /// told bytes done and in all; what it throws ends the check. Reads only, also beside a run: then it judges
  /// what was there when it began.
  public static func verify(
    _ paths: ProjectPaths, progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> LogCheck {
    let isRunning = try ProjectLock.isHeld(paths.lock)
    return try check(
      LogVerifier(directory: paths.log, files: SystemSurroundings.files), paths, isRunning, progress)
  }

  private static func check(
    _ verifier: LogVerifier, _ paths: ProjectPaths, _ isRunning: Bool,
    _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void
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
        help:
          "restore the segment from a backup; without one: moontide events repair")
    }
    let gaps = report.gaps.filter { $0.to > $0.from }
    return LogCheck(
      records: report.records, batches: report.batches, bytes: report.bytes, problems: problems,
      problemCount: report.problemCount, tornTail: isRunning ? nil : tornTail(report, paths),
      gaps: gaps.prefix(Limits.verifyProblemsMax).map(gap),
      lost: gaps.reduce(0) { $0 + $1.to.value - $1.from.value }, end: report.end)
  }

  private static func gap(_ gap: LogVerifier.Gap) -> Diagnostic {
    let last = Position(gap.to.value - 1)
    let range = last == gap.from ? "\(last)" : "\(gap.from) to \(last)"
    return Diagnostic(
      .note, code: HostCode.logGap.code, "the log has no record at \(range): a repair gave up what was there",
      details: [.init("note", "what it was, as far as that is known, is in data/repairs/")])
  }

  private static func tornTail(_ report: LogVerifier.Report, _ paths: ProjectPaths) -> Diagnostic? {
    guard let tail = report.tornTail else { return nil }
    return Diagnostic(
      .warning, code: HostCode.logDamaged.code,
      "\(paths.relative(tail.file)) is cut at byte \(tail.byteOffset), after the last recorded durable end "
        + "\(report.durableEnd)",
      details: [
        .init(
          "note", "\(Counted.text(report.tornTailBytes, "byte")) there are no whole batch: \(tail.reason)"),
        .init("note", "nothing says that they were ever durable: a killed process leaves such a tail"),
        .init("help", "the next run drops them and goes on at \(report.end)"),
      ])
  }
}
