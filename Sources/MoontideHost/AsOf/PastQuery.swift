public import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Asks read models as they were: folds those that a statement names up to a past moment, into files that are
/// kept for the next question, and runs the statement over them. Takes no lock and changes nothing but
/// `.moontide/as-of`: works beside a run and without one, any number at once. Use it on a thread with a stack
/// of 2 MiB or more.
public struct PastQuery {
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock
  private let randomness: any Randomness

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
    clock = SystemSurroundings.clock
    randomness = SystemSurroundings.randomness
  }

  /// Hands the rows of one read-only statement to `sink`. Its `timeout` does not count the folding; its
  /// `after` is met by itself, since the log is read.
  /// - Parameter observer: hears what the moment came to, how far a fold is, and what a person should know.
  /// - Throws: what the query would throw; `noSuchEvent` for a moment that names a record that is not there;
  ///   `afterToken` for a token of another log; why a projection halts, or what is wrong with its script.
  public func run(
    _ request: QueryRequest, at moment: PastMoment, to sink: any RowSink, observer: any PastObserver
  ) throws(Diagnostic) {
    let scripts = try LoadedScripts.load(paths, files: files)
    if let wrong = scripts.problems.first(where: { $0.severity == .error }) { throw wrong }
    let log = try open()
    let view = try PastView(moment, in: log)
    try observer.resolved(view.description(moment, now: clock.now))
    try request.requireToken(of: log)
    let outline = try outline(of: log, observer)
    let own = Set(log.topics().filter { $0.name.isSystem }.map(\.id))
    if let first = outline.earliest(among: { !own.contains($0) }), let until = view.until, until < first {
      try observer.note("nothing had happened by then: the first event is of \(first)")
    }
    var session = QuerySession(
      paths: paths, files: files, clock: clock, tables: tables(log, view, outline))
    let projections = scripts.catalog.definitions.filter { $0.kind == .projection }
    session.made = .init(catalog: QueryCatalog(try projections.map(model))) { name throws(Diagnostic) in
      guard let definition = projections.first(where: { $0.name == name }) else {
        throw Diagnostic(.noSuchHandler, "there is no projection \(name)")
      }
      let fold = PastFold(
        definition: definition, catalog: scripts.catalog, log: log, view: view, outline: outline,
        cache: try cache(name, among: projections), clock: clock, randomness: randomness)
      let folded = try fold.run { done, total throws(Diagnostic) in
        try observer.folding(name, done: done, total: total)
      }
      try observer.folded(name)
      if let since = folded.degradedSince {
        try observer.note(
          "\(name) was degraded since \(since): \(Counted.text(folded.setAside, "event")) set aside")
      }
      if try isEdited(definition) {
        try observer.note(
          "\(name) is folded by its script as it is now; the read model of today is of an older one, "
            + "until the next run")
      }
      return folded.path
    }
    try session.run(request, to: sink)
  }

  private func open() throws(Diagnostic) -> LogReader {
    let segments = paths.log + "/segments"
    let isThere = try FileError.told { () throws(FileError) in
      guard try files.status(segments) != nil else { return false }
      return try !files.list(segments).isEmpty
    }
    guard isThere else {
      throw Diagnostic(.noSuchEvent, "the log is empty: there is no past to ask", help: "moontide run --once")
    }
    return try LogError.told { () throws(LogError) in
      try LogReader(directory: paths.log, files: files, trusting: true)
    }
  }

  /// Whether the read model that is kept was made by another script.
  private func isEdited(_ definition: HandlerDefinition) throws(Diagnostic) -> Bool {
    let path = paths.readModel(definition.name)
    guard try FileError.told({ () throws(FileError) in try files.status(path) != nil }) else { return false }
    do throws(StoreOpeningError) {
      return try StoreReader(path: path).identity.scriptVersion != definition.scriptVersion
    } catch {
      // What is wrong with it does not matter to this answer.
      return false
    }
  }

  private func cache(
    _ projection: String, among all: [HandlerDefinition]
  ) throws(Diagnostic) -> FoldCache {
    try FileError.told { () throws(FileError) in
      let cache = try FoldCache(paths, projection, files: files, clock: clock, randomness: randomness)
      try cache.forgetOthers(than: Set(all.map(\.name)))
      return cache
    }
  }

  private func model(_ definition: HandlerDefinition) throws(Diagnostic) -> QueryCatalog.Model {
    do throws(SchemaFault) {
      return .init(
        name: definition.name, path: "", tables: try ProjectionStore.names(inSchema: definition.schema ?? ""))
    } catch { throw StoreOpeningError.schema(error).diagnostic(definition.name) }
  }

  /// The events of the moment; what other tables tell is how things stand now, and they say so.
  private func tables(_ log: LogReader, _ view: PastView, _ outline: TimeOutline) -> [any SystemTable] {
    var tables: [any SystemTable] = [
      EventsTable(MomentLog(log, view, outline: outline) { !$0.isSystem })
    ]
    for name in SystemTables.names.subtracting(["sys", "events"]).sorted() {
      tables.append(
        StaticSystemTable(name, columns: [.init("name", .text)]) { () throws(StoreError) in
          throw .refused("sys.\(name) tells how things stand now: ask it without --as-of and --as-known")
        })
    }
    return tables
  }

  /// The outline of all of the log, written down again when it had to be made longer.
  private func outline(of log: LogReader, _ observer: any PastObserver) throws(Diagnostic) -> TimeOutline {
    var outline = try known(of: log) ?? TimeOutline()
    guard outline.end < log.durableEnd else { return outline }
    let batch = RecordBatch()
    while try LogError.told({ () throws(LogError) in try outline.extend(by: log, using: batch) }) {
      try observer.folding("times", done: outline.end.value, total: log.durableEnd.value)
    }
    try observer.folded("times")
    let bytes = try LogError.told { () throws(LogError) in try outline.encoded(for: log) }
    let file = OutlineFile(paths, files, clock, randomness)
    try FileError.told { () throws(FileError) in try file.write(bytes) }
    return outline
  }

  private func known(of log: LogReader) throws(Diagnostic) -> TimeOutline? {
    let bytes = try FileError.told { () throws(FileError) in
      try OutlineFile(paths, files, clock, randomness).read()
    }
    return try LogError.told { () throws(LogError) in
      guard let bytes else { return nil }
      return try TimeOutline(bytes, of: log)
    }
  }
}

/// Hears of the work behind a question about read models of the past; called on its thread. What it throws
/// ends the question.
public protocol PastObserver: MomentObserver {
  /// A read model is folded, or (`times`) the log is looked through: how many records of how many.
  func folding(_ name: String, done: UInt64, total: UInt64) throws(Diagnostic)
  /// That is done.
  func folded(_ name: String) throws(Diagnostic)
}
