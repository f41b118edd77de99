public import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Looks at a whole project for what is wrong. Holds the project while it looks.
public struct Doctor {
  private let paths: ProjectPaths

  public init(_ paths: ProjectPaths) { self.paths = paths }

  /// Hands a row for each thing that was looked at to `sink`; true when all of it is well.
  public func examine(to sink: any RowSink) throws(Diagnostic) -> Bool {
    try sink.columns(["check", "result", "found", "next"])
    let report = DoctorReport(sink)
    try scripts(report)
    let project: MoontideProject
    do throws(Diagnostic) { project = try MoontideProject.hold(paths) } catch {
      if error.code == HostCode.locked.code, let run = try ControlClient.connect(paths) {
        try beside(run, error.title, report)
        return report.isHealthy
      }
      let help = error.details.first { $0.label == "help" }?.text ?? ""
      try report.add("log", .wrong, error.title, help)
      return report.isHealthy
    }
    try log(project, report)
    for definition in project.catalog.definitions { try handler(definition, project, report) }
    try quarantine(project, report)
    try project.close()
    return report.isHealthy
  }

  /// While another process runs the project, what it can be asked.
  private func beside(
    _ run: any ProjectAccess, _ owner: String, _ report: DoctorReport
  ) throws(Diagnostic) {
    try report.add(
      "log", .well, "\(owner) and runs it; the bytes are checked when nothing runs", "")
    let handlers = CollectingSink()
    try run.query(
      QueryRequest("select kind, name, state, applied, lag, held, dead from sys.handlers"), to: handlers)
    for row in handlers.rows {
      func figure(_ name: String) -> String { row[name] ?? "0" }
      let state = figure("state")
      let isHalted = state == "halted"
      try report.add(
        "\(figure("kind")) \(figure("name"))",
        isHalted ? .wrong : figure("dead") == "0" ? .well : .notable,
        "\(state): \(figure("applied")) applied, \(figure("lag")) before it, \(figure("held")) held, "
          + "\(figure("dead")) dead",
        isHalted || figure("dead") != "0" ? "moontide dead ls" : "")
    }
    let lines = CollectingSink()
    try run.query(
      QueryRequest("select count(*) as lines from sys.dead_letters where handler = 'ingest'"), to: lines)
    try quarantined(lines.rows.first?["lines"].flatMap(Int.init) ?? 0, report)
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

  private func log(_ project: MoontideProject, _ report: DoctorReport) throws(Diagnostic) {
    let recovery = project.segmentedLog.recovery
    let found =
      "ends at \(project.log.durableEnd), "
      + Counted.text(project.log.topics().count { !$0.name.isSystem }, "topic")
    if recovery.bytesDropped > 0 {
      try report.add(
        "log", .notable,
        "\(found); \(recovery.bytesDropped) bytes of a torn, unacknowledged tail were dropped", "")
    } else {
      try report.add("log", .well, found, "")
    }
    if let changed = project.changedPartitions {
      try report.add("settings", .wrong, changed.title, HostCode.partitions.mend)
    }
    let verified = try project.verifyLog()
    try report.add(
      "log bytes", verified.problems.isEmpty ? .well : .wrong,
      verified.problems.isEmpty
        ? "\(Counted.text(verified.records, "record")), \(verified.bytes) bytes, every checksum right"
        : Counted.text(verified.problemCount, "damaged place"),
      verified.problems.isEmpty ? "" : "moontide events verify"
    )
  }

  private func handler(
    _ definition: HandlerDefinition, _ project: MoontideProject, _ report: DoctorReport
  ) throws(Diagnostic) {
    let name = "\(definition.kind.rawValue) \(definition.name)"
    let survey = HandlerSurvey(project)
    let entry: HandlerSurvey.Entry?
    do throws(Diagnostic) { entry = try survey.entry(definition) } catch {
      return try report.add(name, .wrong, error.title, HostCode.storeDamaged.mend)
    }
    guard let entry else { return try report.add(name, .well, "has not run yet", "moontide run") }
    let end = project.log.durableEnd
    if let beyond = entry.ledger.checkpoints.first(where: { $0.value > end }) {
      return try report.add(
        name, .wrong,
        "its checkpoint \(beyond.value) lies beyond the end of the log \(end): the log was replaced",
        "restore the log that belongs to it, or delete the handler's file")
    }
    if let unsound = try unsound(definition) {
      return try report.add(
        name, .wrong, "SQLite finds the file broken: \(unsound)", HostCode.storeDamaged.mend)
    }
    try account(definition, entry, project, report)
  }

  /// published = applied + lag + held + dead-lettered + skipped, as far as scripts and starts have not
  /// changed.
  private func account(
    _ definition: HandlerDefinition, _ entry: HandlerSurvey.Entry, _ project: MoontideProject,
    _ report: DoctorReport
  ) throws(Diagnostic) {
    let name = "\(definition.kind.rawValue) \(definition.name)"
    let ledger = entry.ledger
    let lag = try LagCounter(log: project.log).count(definition, from: ledger.checkpoints)
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    var found =
      "\(ledger.applied) applied, \(lag) before it, \(held) held, "
      + Counted.text(ledger.deadLetters, "dead letter")
    if entry.identity.scriptVersion == definition.scriptVersion,
      definition.start == nil || definition.start == .start
    {
      let published = try LogError.told { () throws(LogError) in
        try StartPlan.matching(definition, from: .start, log: project.log)
      }
      let sum = ledger.applied + lag + UInt64(held) + UInt64(ledger.deadLetters) + ledger.skipped
      if published != sum, definition.kind == .projection {
        return try report.add(
          name, .wrong, "\(found), but \(published) were published",
          "delete data/readmodels/\(definition.name).sqlite and run")
      }
      found = "\(published) published = \(found)"
    }
    let next = ledger.deadLetters > 0 ? "moontide dead ls" : ""
    try report.add(name, ledger.deadLetters > 0 ? .notable : .well, found, next)
  }

  /// What SQLite says against the file; nil when nothing.
  private func unsound(_ definition: HandlerDefinition) throws(Diagnostic) -> String? {
    let path =
      definition.kind == .projection ? paths.readModel(definition.name) : paths.handlerFile(definition.name)
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      return try StoreOpeningError.told { () throws(StoreError) in try reader.integrityFault() }
    } catch { return error.diagnostic(path).title }
  }

  private func quarantine(_ project: MoontideProject, _ report: DoctorReport) throws(Diagnostic) {
    try quarantined(try QuarantineReader(log: project.log).lines().count, report)
  }

  private func quarantined(_ lines: Int, _ report: DoctorReport) throws(Diagnostic) {
    try report.add(
      "quarantine", lines > 0 ? .notable : .well,
      lines == 0
        ? "no line was set aside" : lines == 1 ? "1 line was set aside" : "\(lines) lines were set aside",
      lines > 0 ? "moontide dead ls" : "")
  }
}

/// The rows of `doctor`.
private final class DoctorReport {
  enum Result: String { case well = "ok", notable = "note", wrong = "WRONG" }

  private let sink: any RowSink
  private(set) var isHealthy = true

  init(_ sink: any RowSink) { self.sink = sink }

  func add(_ check: String, _ result: Result, _ found: String, _ next: String) throws(Diagnostic) {
    if result == .wrong { isHealthy = false }
    let row = RowBuffer()
    for text in [check, result.rawValue, found, next] { row.append(text: text) }
    try sink.row(row)
  }
}
