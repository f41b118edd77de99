import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Tells what a change of a script does to a read model, before it goes live: folds the other version into
/// files aside, up to the place of the first, and compares. Takes no lock, causes no effects and changes
/// nothing: works beside a run and without one. Use it on a thread with a stack of 2 MiB or more.
public struct ProjectionDiff {
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
    clock = SystemSurroundings.clock
  }

  /// - Throws: everything that is wrong with the scripts; `noSuchHandler` when there is no such projection,
  ///   or nothing to compare it with; `notDefined` when the script in its place does not define it.
  public func run(
    _ request: DiffRequest, observer: any DiffObserver
  ) throws(ProjectFault) -> DiffOutcome {
    let scripts = try ProjectFault.told { () throws(Diagnostic) in try DiffScripts(paths, files: files) }
    let onDisk = try scripts.onDisk(request.name)
    let replaced = try request.script.map { script throws(ProjectFault) in
      try scripts.replaced(onDisk, by: script)
    }
    return try ProjectFault.told { () throws(Diagnostic) in
      let scratch = try ScratchFiles(paths, files: files, randomness: SystemSurroundings.randomness)
      let outcome: DiffOutcome
      do throws(Diagnostic) {
        outcome = try compare(request, onDisk, replaced, scratch, observer)
      } catch {
        try scratch.remove()
        throw error
      }
      try scratch.remove()
      return outcome
    }
  }

  // MARK: The two sides

  private func compare(
    _ request: DiffRequest, _ onDisk: DiffScripts.Side, _ replaced: DiffScripts.Side?,
    _ scratch: ScratchFiles, _ observer: any DiffObserver
  ) throws(Diagnostic) -> DiffOutcome {
    let live = try LiveCopy(of: onDisk.definition, paths, scratch, files)
    if let replaced {
      let version = onDisk.definition.version
      guard replaced.definition.version != version || replaced.definition.name != onDisk.definition.name
      else {
        return .same("\(replaced.origin) is the script on disk but for blanks and comments")
      }
      let isUsable = live?.identity.scriptVersion == onDisk.definition.scriptVersion
      let folds = DiffFolds(
        old: onDisk, new: replaced, live: isUsable ? live : nil, paths: paths, files: files, scratch: scratch)
      return .report(try report(request, folds, observer))
    }
    guard let live else {
      throw Diagnostic(
        .noSuchHandler, "projection \(onDisk.definition.name) has no read model to compare its script with",
        help: "moontide run --once makes it; --with FILE compares two scripts")
    }
    if live.identity.scriptVersion == onDisk.definition.scriptVersion,
      live.identity.handler == onDisk.definition.name
    {
      return .same("the live read model is of the script on disk; --with FILE compares it with another")
    }
    let folds = DiffFolds(
      old: try kept(live), new: onDisk, live: live, paths: paths, files: files, scratch: scratch)
    return .report(try report(request, folds, observer))
  }

  /// The script of a read model, as the log keeps it; nil when it does not.
  private func kept(_ live: LiveCopy) throws(Diagnostic) -> DiffScripts.Side? {
    let log = try DiffFolds.log(paths, files, before: nil)
    let (name, version) = (live.identity.handler, live.identity.scriptVersion)
    let kept = KeptScripts(paths: paths, files: files, log: log)
    guard let loaded = try kept.loaded(.projection, name, version: version),
      let definition = loaded.catalog.definition(name)
    else { return nil }
    return DiffScripts.Side(definition: definition, catalog: loaded.catalog, origin: LiveCopy.origin)
  }

  // MARK: The report

  private func report(
    _ request: DiffRequest, _ folds: DiffFolds, _ observer: any DiffObserver
  ) throws(Diagnostic) -> DiffReport {
    var folded = try folds.run(observer)
    let log = folded.log
    if let old = folds.old {
      let subscriptions = SubscriptionDiff(old: old.definition, new: folds.new.definition)
      if subscriptions.isNeeded {
        folded.report.subscriptions = subscriptions.differences(try census(log))
      }
    }
    guard let oldPath = folded.oldPath else { return folded.report }
    let (old, new) = (try open(oldPath), try open(folded.newPath))
    var diffs = try relations(old, new, &folded.report)
    try count(&diffs, old, new, &folded.report, observer)
    let trails = try trace(request, diffs, folds, &folded, observer)
    var events = EventLookup(log)
    for (index, trail) in zip(diffs.indices, trails) {
      let first = { (row: Int, column: Int?) in trail?.first(row, column) }
      let choice = SampleChoice(
        diffs[index].traced, width: diffs[index].common.count, count: request.samples, first: first)
      if let trail {
        try diffs[index].date(trail) { position throws(Diagnostic) in try events.event(at: position) }
      }
      try diffs[index].sample(old, new, choice) { row, column throws(Diagnostic) in
        guard let position = first(row, column) else { return nil }
        return try events.event(at: position)
      }
    }
    folded.report.tables = diffs.map(\.difference).filter(\.isDifferent) + folded.report.tables
    folded.report.letters = try LetterDiff(old, new, clock: clock).differences(samples: request.samples)
    (folded.report.old.applied, folded.report.new.applied) = try StoreError.told { () throws(StoreError) in
      (try old.ledger().applied, try new.ledger().applied)
    }
    return folded.report
  }

  /// By table; nil where nothing was searched.
  private func trace(
    _ request: DiffRequest, _ diffs: [TableDiff], _ folds: DiffFolds, _ folded: inout DiffFolds.Folded,
    _ observer: any DiffObserver
  ) throws(Diagnostic) -> [RowTrail?] {
    let count = diffs.reduce(0) { $0 + $1.traced.count }
    guard request.tracesEvents, count > 0 else { return diffs.map { _ in nil } }
    guard let old = folds.old else {
      folded.report.notes.append(
        "the first event of each difference is not known: the script of the live read model is not kept")
      return diffs.map { _ in nil }
    }
    folded.report.traced.rows = UInt64(count)
    if folded.report.traced.rows < folded.report.traced.of {
      folded.report.notes.append(
        "first events were searched for \(count) of \(folded.report.traced.of) differing rows, the first "
          + "ones of each table by key")
    }
    let trace = DiffTrace(
      old: old, new: folds.new, log: folded.log, decided: folded.decided, scratch: folds.scratch)
    return try trace.run(diffs, observer)
  }

  private func census(_ log: LogReader) throws(Diagnostic) -> [String: [UInt32: UInt64]] {
    var census = try FileError.told { () throws(FileError) in
      try VersionCensus.read(paths, log: log, mark: log.mark, files)
    }
    _ = try LogError.told { () throws(LogError) in try census.count(log) { false } }
    return census.counts
  }

  private func count(
    _ diffs: inout [TableDiff], _ old: StoreReader, _ new: StoreReader, _ report: inout DiffReport,
    _ observer: any DiffObserver
  ) throws(Diagnostic) {
    let cellsMax = Limits.diffTracedCellsMax / max(1, diffs.count)
    var compared: UInt64 = 0
    for index in diffs.indices {
      try diffs[index].count(old, new, tracing: cellsMax) { () throws(Diagnostic) in
        compared += Limits.diffRowsPerLook
        try observer.working("compare", done: compared, total: nil)
      }
      let difference = diffs[index].difference
      report.compared.tables += 1
      report.compared.rows += max(difference.rows.old, difference.rows.new)
      report.traced.of += difference.isView ? 0 : difference.differing
    }
    try observer.done("compare")
  }

  /// Tables and views that both have; the report gets those that one has.
  private func relations(
    _ old: StoreReader, _ new: StoreReader, _ report: inout DiffReport
  ) throws(Diagnostic) -> [TableDiff] {
    let (before, after) = try StoreError.told { () throws(StoreError) in
      (try old.relations(), try new.relations())
    }
    let clock = clock
    let same = { (one: StoreReader.Relation, other: StoreReader.Relation) in
      one.table.name.lowercased() == other.table.name.lowercased() && one.isView == other.isView
    }
    for relation in after where !before.contains(where: { same($0, relation) }) {
      report.tables.append(try whole(relation, new, .onlyNew))
    }
    for relation in before where !after.contains(where: { same($0, relation) }) {
      report.tables.append(try whole(relation, old, .onlyOld))
    }
    return after.compactMap { relation in
      before.first { same($0, relation) }.map { TableDiff($0, relation, clock: clock) }
    }
  }

  /// A table that one side has.
  private func whole(
    _ relation: StoreReader.Relation, _ reader: StoreReader, _ presence: TableDifference.Presence
  ) throws(Diagnostic) -> TableDifference {
    var difference = TableDifference(name: relation.table.name, isView: relation.isView, presence: presence)
    if !relation.isView {
      let count = try StoreError.told { () throws(StoreError) in
        try reader.counts(of: relation.table.name, columns: []).rows
      }
      difference.rows = presence == .onlyNew ? (0, count) : (count, 0)
    }
    return difference
  }

  private func open(_ path: String) throws(Diagnostic) -> StoreReader {
    do throws(StoreOpeningError) { return try StoreReader(path: path) } catch { throw error.diagnostic(path) }
  }
}
