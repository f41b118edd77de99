public import MoontideCore
import MoontideLog
import MoontideRuntime

/// What `check` found.
public struct CheckResult: Sendable {
  /// Errors, warnings and notes, by file and line.
  public var problems: [Diagnostic]
  /// `2 projections, 1 consumer`
  public var summary: String
}

extension MoontideProject {
  /// Everything that is wrong with a project's scripts, settings and schemas, and what may be better; with
  /// a log also how the scripts and what is stored go together. Takes no lock and runs no handler; of the
  /// log it reads as much as `Limits.checkTime` allows, and goes on there the next time.
  public static func check(_ paths: ProjectPaths) throws(Diagnostic) -> CheckResult {
    try ProjectCheck(paths).run()
  }
}

/// Looks at scripts first, then at the log.
struct ProjectCheck {
  private let paths: ProjectPaths
  private let files: any FileSystem = SystemSurroundings.files
  private let clock: any WallClock = SystemSurroundings.clock

  init(_ paths: ProjectPaths) { self.paths = paths }

  func run() throws(Diagnostic) -> CheckResult {
    let loaded = try LoadedScripts.load(paths, files: files)
    var problems = loaded.problems
    var view = Guidance.LogView()
    // What does not load is not in the catalog: what is stored would seem to be nobody's.
    if !problems.contains(where: { $0.severity == .error }) {
      do throws(Diagnostic) { view = try look(loaded.catalog, &problems) } catch {
        problems.append(error.asWarning("what is stored could not be looked at"))
      }
      do throws(Diagnostic) {
        problems += try OpenInstances(paths: paths, files: files, catalog: loaded.catalog).problems()
      } catch {
        problems.append(error.asWarning("open instances of sagas could not be looked at"))
      }
    }
    problems += Guidance(loaded.catalog, log: view).diagnostics(
      deciders: Set(loaded.catalog.deciders.flatMap(\.commands)))
    return CheckResult(problems: problems, summary: ProjectCheck.summary(loaded.catalog))
  }

  private static func summary(_ catalog: ProjectCatalog) -> String {
    let kinds = Dictionary(grouping: catalog.definitions, by: \.kind).mapValues(\.count)
    var counts = [HandlerKind.projection, .consumer, .saga].compactMap { kind in
      kinds[kind].map { "\($0) \(kind.rawValue)\($0 == 1 ? "" : "s")" }
    }
    let deciders = catalog.deciders.count
    if deciders > 0 { counts.append(deciders == 1 ? "1 decider" : "\(deciders) deciders") }
    let upcasters = catalog.upcasters.count
    if upcasters > 0 { counts.append(upcasters == 1 ? "1 upcaster" : "\(upcasters) upcasters") }
    return counts.isEmpty ? "no handlers" : counts.joined(separator: ", ")
  }

  // MARK: The log

  private func look(
    _ catalog: ProjectCatalog, _ problems: inout [Diagnostic]
  ) throws(Diagnostic) -> Guidance.LogView {
    var view = Guidance.LogView()
    let isEmpty = catalog.definitions.isEmpty && catalog.upcasters.isEmpty && catalog.deciders.isEmpty
    guard !isEmpty, let bytes = try logBytes() else { return view }
    guard bytes <= Limits.checkedLogBytesMax else {
      problems.append(
        note("the log has \(bytes >> 30) GiB: versions and fields of what is stored were not looked at"))
      return view
    }
    let log = try LogError.told { () throws(LogError) in
      try LogReader(directory: paths.log, files: files)
    }
    let deadline = clock.monotonic + Limits.checkTime
    var census = try FileError.told { () throws(FileError) in
      try VersionCensus.read(paths, log: log, mark: log.mark, files)
    }
    let start = census.position
    let isWhole = try LogError.told { () throws(LogError) in
      try census.count(log) { clock.monotonic > deadline }
    }
    if census.position.value - start.value >= Limits.censusKeptRecords {
      try FileError.told { () throws(FileError) in try census.write(paths, files) }
    }
    if !isWhole {
      problems.append(
        note(
          "versions of stored events were counted up to \(census.position) of \(log.durableEnd): the next "
            + "check goes on there"))
    }
    view.counts = census.counts
    view.samples = try samples(log, catalog, &problems)
    return view
  }

  private func note(_ text: String) -> Diagnostic { Diagnostic(.note, code: HostCode.tooMuch.code, text) }

  /// The size of the log's segments; nil when there is none.
  private func logBytes() throws(Diagnostic) -> UInt64? {
    try FileError.told { () throws(FileError) in
      let folder = paths.log + "/segments"
      guard try files.status(folder) != nil else { return nil }
      var bytes: UInt64?
      for name in try files.list(folder) {
        bytes = (bytes ?? 0) + (try files.status("\(folder)/\(name)")?.bytes ?? 0)
      }
      return bytes
    }
  }

  /// What the log's first and last events carry, as handlers see them. Tells of upcasters that make what
  /// their text does not show: nobody else may ever run them.
  private func samples(
    _ log: LogReader, _ catalog: ProjectCatalog, _ problems: inout [Diagnostic]
  ) throws(Diagnostic) -> [String: TypeSample] {
    let viewer = try EventViewer(catalog: catalog)
    var samples: [[UInt8]: TypeSample] = [:]
    var hidden: [SourcePlace?: Diagnostic] = [:]
    var sample = EventSample(log: log, viewer: viewer)
    sample.failed = { problem in
      guard problem.code == RuntimeCode.upcasterUnforeseen.rawValue, hidden[problem.place] == nil else {
        return
      }
      hidden[problem.place] = problem
    }
    try sample.forEach { event, batch in
      samples[Array(batch.bytes[event.envelope.type.indices]), default: TypeSample()].add(event, in: batch)
    }
    problems += hidden.values.sorted { $0.title < $1.title }
    return Dictionary(
      uniqueKeysWithValues: samples.map { (String(decoding: $0.key, as: UTF8.self), $0.value) })
  }
}
