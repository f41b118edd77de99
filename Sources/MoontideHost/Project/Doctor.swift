public import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Looks at a whole project for what is wrong: its scripts, every byte of its log, every handler's file, and
/// whether they agree. Reads only and takes no lock: works beside a run, which is asked about its threads.
public struct Doctor {
  private let paths: ProjectPaths
  private let files: any FileSystem
  /// Whether read models are compared with a fresh fold too.
  private let isFull: Bool

  public init(_ paths: ProjectPaths, full: Bool = false) {
    self.paths = paths
    files = SystemSurroundings.files
    isFull = full
  }

  /// Hands a row for each thing that was looked at to `sink`; true when all of it is well.
  public func examine(to sink: any RowSink) throws(Diagnostic) -> Bool {
    try sink.columns(["check", "result", "found", "next"])
    let report = DoctorReport(sink, root: paths.root)
    let scripts = try LoadedScripts.load(paths, files: files)
    try self.scripts(report)
    let isRunning = try ProjectLock.isHeld(paths.lock)
    let hasLog = try FileError.told { () throws(FileError) in
      guard try files.status(paths.log + "/segments") != nil else { return false }
      return try !files.list(paths.log + "/segments").isEmpty
    }
    guard hasLog else {
      try report.add("log", .well, "there is none yet", "moontide run")
      return report.isHealthy
    }
    try threads(isRunning, report)
    // Before the log is: so the log reaches at least as far as they do.
    var looks: [HandlerLook] = []
    for definition in scripts.catalog.definitions { looks.append(HandlerLook(definition, paths, files)) }
    let lost = try bytes(isRunning, report)
    let log: LogReader
    do throws(LogError) { log = try LogReader(directory: paths.log, files: files) } catch {
      try report.add("log", .wrong, error.diagnostic.title, "moontide events verify · moontide events repair")
      return report.isHealthy
    }
    if let changed = MoontideProject.changedPartitions(scripts.settings, log.topics()) {
      try report.add("settings", .wrong, changed.title, HostCode.partitions.mend)
    }
    for look in looks { try look.judge(by: log, lost: lost, isRunning: isRunning, report) }
    try EffectLook(paths: paths, files: files, scripts: scripts).look(isRunning: isRunning, report)
    try CommandLook(log, scripts.catalog).judge(isRunning: isRunning, report)
    try strays(scripts.catalog, report)
    if isFull { try folds(scripts.catalog, report) }
    try quarantine(log, report)
    try commands(log, scripts.catalog, report)
    try past(report)
    return report.isHealthy
  }

  private func scripts(_ report: DoctorReport) throws(Diagnostic) {
    let result = try MoontideProject.check(paths)
    let errors = result.problems.count { $0.severity == .error }
    let others = result.problems.count - errors
    try report.add(
      "scripts", errors > 0 ? .wrong : others > 0 ? .notable : .well,
      errors + others == 0
        ? result.summary : "\(Counted.text(errors, "error")), \(Counted.text(others, "warning"))",
      errors + others > 0 ? "moontide check" : "")
  }

  /// What only the process that runs the project knows.
  private func threads(_ isRunning: Bool, _ report: DoctorReport) throws(Diagnostic) {
    guard isRunning else { return try report.add("process", .well, "nothing runs", "") }
    guard let run = try ControlClient.connect(paths) else {
      return try report.add(
        "process", .notable, "another process holds the project and does not answer on .moontide/socket",
        "its pid is in data/lock")
    }
    let handlers = try states(run)
    try report.add("process", .well, "it runs, and answers", "")
    for row in handlers where ["halted", "waiting"].contains(row["state"] ?? "") {
      let isHalted = row["state"] == "halted"
      try report.add(
        "\(row["kind"] ?? "") \(row["name"] ?? "")", isHalted ? .wrong : .notable,
        "it \(isHalted ? "halted" : "waits")",
        isHalted ? "the run's stderr says why; mend it and start the run again" : "df -h · ulimit -n")
    }
    try progress(of: handlers.filter { $0["state"] == "running" && $0["lag"] != "0" }, run, report)
  }

  private func states(_ run: any ProjectAccess) throws(Diagnostic) -> [[String: String]] {
    let sink = CollectingSink()
    try run.query(QueryRequest("select kind, name, state, checkpoint, lag from sys.handlers"), to: sink)
    return sink.rows
  }

  /// I10: who lags comes further.
  private func progress(
    of lagging: [[String: String]], _ run: any ProjectAccess, _ report: DoctorReport
  ) throws(Diagnostic) {
    if lagging.isEmpty { return }
    SystemSurroundings.clock.sleep(for: .seconds(2))
    let later = try states(run)
    for row in lagging {
      guard let now = later.first(where: { $0["name"] == row["name"] }), now["state"] == "running",
        now["lag"] != "0", now["checkpoint"] == row["checkpoint"]
      else { continue }
      try report.add(
        "\(row["kind"] ?? "") \(row["name"] ?? "")", .notable,
        "\(now["lag"] ?? "") events before it, and it did not move for 2 s",
        "slow events take long by themselves; else stop the run and start it again")
    }
  }

  /// I1 and I2: each id once, bytes as they were written, positions and offsets dense. Returns how many
  /// positions repairs have given up.
  private func bytes(_ isRunning: Bool, _ report: DoctorReport) throws(Diagnostic) -> UInt64 {
    let verified = try MoontideProject.verify(paths) { _, _ throws(Diagnostic) in }
    guard verified.problems.isEmpty else {
      try report.add(
        "log", .wrong,
        "\(Counted.text(verified.problemCount, "damaged place")); \(verified.problems[0].title)",
        "moontide events verify · moontide events repair")
      return 0
    }
    if let tail = verified.tornTail {
      try report.add("log end", .notable, tail.title, "nothing: the next run drops it")
    }
    if verified.lost > 0 {
      try report.add(
        "log gaps", .notable,
        "\(Counted.text(verified.lost, "position")) given up by a repair: \(verified.gaps[0].title)",
        "nothing: what is known of it is in data/repairs/")
    }
    try report.add(
      "log", .well,
      "\(Counted.text(verified.records, "record")) up to \(verified.end), \(verified.bytes) bytes: "
        + "every checksum "
        + "right, every id once, no \(verified.lost > 0 ? "other " : "")position missing", "")
    return verified.lost
  }

  /// Files that no handler of today owns: their handlers were deleted, or renamed without `was`.
  private func strays(_ catalog: ProjectCatalog, _ report: DoctorReport) throws(Diagnostic) {
    for (kind, folder) in [(HandlerKind.projection, paths.readModels), (.consumer, paths.handlerFiles)] {
      let names = try FileError.told { () throws(FileError) in
        try files.status(folder) == nil ? [] : try files.list(folder)
      }
      for file in names where file.hasSuffix(".sqlite") && !file.hasPrefix(".") {
        let name = String(file.dropLast(".sqlite".count))
        guard !isOwned(name, kind, catalog) else { continue }
        try report.add(
          "file of \(name)", .notable, "no \(kind.rawValue) of today owns \(paths.relative(folder))/\(file)",
          kind == .projection
            ? "delete it, or say was = \"\(name)\" where it was renamed"
            : "say was = \"\(name)\" where it was renamed; else it keeps state that nobody uses")
      }
      // Beside a read model: the one that it took the place of, one that is to take its place.
      for file in names where file.hasPrefix(".") && file.hasSuffix(".sqlite") {
        let parts = file.dropFirst().split(separator: ".")
        guard kind == .projection, parts.count == 3, !isOwned(String(parts[0]), kind, catalog) else {
          continue
        }
        try report.add(
          "\(parts[1]) file of \(parts[0])", .notable,
          "no projection of today owns \(paths.relative(folder))/\(file)", "delete it")
      }
    }
  }

  private func isOwned(_ name: String, _ kind: HandlerKind, _ catalog: ProjectCatalog) -> Bool {
    catalog.definitions.contains {
      ($0.kind == .projection) == (kind == .projection) && ($0.name == name || $0.was == name)
    }
  }

  /// I3 by a fresh fold.
  private func folds(_ catalog: ProjectCatalog, _ report: DoctorReport) throws(Diagnostic) {
    for definition in catalog.definitions where definition.kind == .projection {
      let name = "fold of \(definition.name)"
      do throws(Diagnostic) {
        let verdict = try ProjectionVerifier(paths).verify(definition.name, to: CollectingSink()) {
          _, _ throws(Diagnostic) in
        }
        try report.add(
          name, verdict.differences == 0 ? .well : .wrong,
          verdict.differences == 0
            ? "\(Counted.text(verdict.rows, "row")) are the fold of the log up to \(verdict.end)"
            : "\(Counted.text(verdict.differences, "row")) are not the fold of the log",
          verdict.differences == 0 ? "" : "moontide projection verify \(definition.name)")
      } catch { try report.add(name, .notable, error.title, "") }
    }
  }

  /// What questions about the past keep for the next one.
  private func past(_ report: DoctorReport) throws(Diagnostic) {
    let size = try FileError.told { () throws(FileError) in try FoldCache.size(of: paths, files) }
    guard size.files > 0 else { return }
    let folder = paths.relative(paths.asOf)
    try report.add(
      "past", .well,
      "\(folder) keeps \(Counted.text(size.folds, "fold")) for query --as-of, \(size.bytes) bytes",
      "rm -r \(folder) frees the room; the next question folds again")
  }

  /// Every command is answered, or has a decider that will.
  private func commands(
    _ log: LogReader, _ catalog: ProjectCatalog, _ report: DoctorReport
  ) throws(Diagnostic) {
    guard StrandedCommands.undecided(in: log) > 0 else { return }
    let found = try LogError.told { () throws(LogError) in
      try StrandedCommands.find(in: log, catalog, until: { false })
    }
    guard let found, found.count > 0 else { return }
    try report.add("commands", .notable, found.text, StrandedCommands.next)
  }

  private func quarantine(_ log: LogReader, _ report: DoctorReport) throws(Diagnostic) {
    let lines = try QuarantineReader(log: log).lines().count
    try report.add(
      "quarantine", lines > 0 ? .notable : .well,
      lines == 0
        ? "no line was set aside" : lines == 1 ? "1 line was set aside" : "\(lines) lines were set aside",
      lines > 0 ? "moontide dead ls" : "")
  }
}
