public import MoontideCore
import MoontideLog
import MoontideSQLite

/// Mends the damaged log of a project, on request only. Without `carriesOut` it says what would be given up
/// and changes nothing. Holds the project's lock while it works.
public struct ProjectRepair {
  /// What somebody asked for.
  public struct Request: Sendable {
    /// Whether the log is changed.
    public var carriesOut: Bool
    /// Names and partitions (0: the default) of topics whose declarations are lost, by number.
    public var topics: [UInt16: (name: TopicName, partitions: UInt16)]
    public init(
      carriesOut: Bool = false, topics: [UInt16: (name: TopicName, partitions: UInt16)] = [:]
    ) {
      self.carriesOut = carriesOut
      self.topics = topics
    }
  }

  /// What came of it.
  public struct Outcome: Sendable {
    /// False when there was nothing to mend.
    public var wasNeeded: Bool
    /// Positions that are given up, sound records that stay, and where the log ends then.
    public var lost: UInt64
    public var records: UInt64
    public var end: Position
    /// Single bits that were, or would be, put right.
    public var corrected: Int
    /// Where the damaged files and the report were put; nil when nothing was changed.
    public var folder: String?
  }

  private let paths: ProjectPaths
  private let files: any FileSystem

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
  }

  /// Hands a row for each thing that is put right, given up or touched to `sink`.
  /// - Throws: `E0608` when another process holds the project, `E0502` when the log cannot be mended.
  public func run(
    _ request: Request, to sink: any RowSink, progress: (UInt64, UInt64) -> Void
  ) throws(Diagnostic) -> Outcome {
    let isThere = try FileError.told { () throws(FileError) in
      try files.status(paths.log + "/segments") != nil
    }
    guard isThere else {
      throw Diagnostic(.logDamaged, "there is no log in \(paths.root)", help: "moontide run")
    }
    let lock = try MoontideProject.held(paths, files: files)
    defer { withExtendedLifetime(lock) {} }
    let repair = try LogError.told { () throws(LogError) in
      try LogRepair(directory: paths.log, files: files)
    }
    let stores = try RepairStores(paths, files, mark: repair.mark)
    var topics: [TopicID: (name: TopicName, partitions: UInt16)] = [:]
    for (id, topic) in request.topics { topics[TopicID(id)] = topic }
    let plan = try LogError.told { () throws(LogError) in
      try repair.plan(floor: stores.floor, topics: topics, progress: progress)
    }
    let folder = request.carriesOut && plan.isNeeded ? try makeFolder() : nil
    let report = RepairReport(paths, files, plan, stores, folder: folder)
    try sink.columns(RepairReport.columns)
    for row in report.rows {
      let buffer = RowBuffer()
      for text in row { buffer.append(text: text) }
      try sink.row(buffer)
    }
    if let folder { try carryOut(repair, plan, report, stores, folder) }
    return Outcome(
      wasNeeded: plan.isNeeded, lost: plan.lostPositions, records: plan.records, end: plan.end,
      corrected: plan.correctionCount, folder: folder.map { paths.relative($0) })
  }

  /// Removes all files below a folder of caches.
  private func clear(_ folder: String) throws(FileError) {
    guard try files.status(folder)?.isDirectory == true else { return }
    for name in try files.list(folder) {
      let path = "\(folder)/\(name)"
      if try files.status(path)?.isDirectory == true { try clear(path) } else { try files.remove(path) }
    }
    try files.syncDirectory(folder)
  }

  /// `data/repairs/1`, or the next number that is free.
  private func makeFolder() throws(Diagnostic) -> String {
    try FileError.told { () throws(FileError) in
      var number = 1
      while try files.status("\(paths.data)/repairs/\(number)") != nil { number += 1 }
      let folder = "\(paths.data)/repairs/\(number)"
      try files.createDirectory(folder)
      for above in [paths.data + "/repairs", paths.data] { try files.syncDirectory(above) }
      return folder
    }
  }

  /// The report first, then the read models that would no longer be folds of the log and all else that
  /// follows from it, the log last: after a crash in between nothing says what is not so.
  private func carryOut(
    _ repair: LogRepair, _ plan: LogRepair.Plan, _ report: RepairReport, _ stores: RepairStores,
    _ folder: String
  ) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      let file = try files.open(folder + "/report.txt", .create)
      let text = Array(report.text.utf8)
      try file.write(text, 0..<text.count, at: 0)
      try file.sync()
      try files.syncDirectory(folder)
      for store in report.refolded { try RepairStores.move(store, to: folder, files) }
      try files.syncDirectory(paths.readModels)
      try files.remove(paths.census)
      for cache in [paths.asOf, paths.snapshotFolder] { try clear(cache) }
    }
    try LogError.told { () throws(LogError) in try repair.carryOut(plan, aside: folder) }
    let check = try LogError.told { () throws(LogError) in
      try LogVerifier(directory: paths.log, files: files).verify()
    }
    guard let problem = check.problems.first else { return }
    throw Diagnostic(
      .logDamaged,
      "after the repair \(paths.relative(problem.file)) is still damaged at byte \(problem.byteOffset): "
        + problem.reason,
      help: "what was there before is in \(paths.relative(folder)); restore the log from a backup")
  }
}
