import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// The read models of a project as of one moment: each is folded when somebody asks for it, into a file that
/// is kept. Takes no lock and changes nothing but `.moontide/as-of`. One thread, with a stack of 2 MiB or
/// more.
final class PastModels {
  let log: LogReader
  let view: PastView
  /// What the moment came to, for people.
  let description: String
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock
  private let randomness: any Randomness
  private let outline: TimeOutline
  private let scripts: LoadedScripts
  private let projections: [HandlerDefinition]

  /// Opens the log as it is now.
  /// - Parameter observer: hears how far the log's times are looked through.
  /// - Throws: what is wrong with a script; `noSuchEvent` for a moment that names a record that is not there.
  init(
    _ paths: ProjectPaths, _ moment: PastMoment, files: any FileSystem, clock: any WallClock,
    randomness: any Randomness, _ observer: any PastObserver
  ) throws(Diagnostic) {
    self.paths = paths
    self.files = files
    self.clock = clock
    self.randomness = randomness
    scripts = try LoadedScripts.load(paths, files: files)
    if let wrong = scripts.problems.first(where: { $0.severity == .error }) { throw wrong }
    projections = scripts.catalog.definitions.filter { $0.kind == .projection }
    log = try Self.open(paths, files)
    view = try PastView(moment, in: log)
    description = view.description(moment, now: clock.now)
    outline = try PastOutline(paths, files: files, clock: clock, randomness: randomness).read(
      of: log, observer)
  }

  /// Says so when there is nothing to see.
  func noteEmptiness(_ observer: any PastObserver) throws(Diagnostic) {
    let own = Set(log.topics().filter { $0.name.isSystem }.map(\.id))
    if let first = outline.earliest(among: { !own.contains($0) }), let until = view.until, until < first {
      try observer.note("nothing had happened by then: the first event is of \(first)")
    }
  }

  /// The models and their tables; they have no files yet.
  func catalog() throws(Diagnostic) -> QueryCatalog {
    var models: [QueryCatalog.Model] = []
    for definition in projections {
      do throws(SchemaFault) {
        models.append(
          .init(
            name: definition.name, path: "",
            tables: try ProjectionStore.names(inSchema: definition.schema ?? "")))
      } catch { throw StoreOpeningError.schema(error).diagnostic(definition.name) }
    }
    return QueryCatalog(models)
  }

  /// The file of a model, folded if need be.
  func path(_ name: String, _ observer: any PastObserver) throws(Diagnostic) -> String {
    guard let definition = projections.first(where: { $0.name == name }) else {
      throw Diagnostic(.noSuchHandler, "there is no projection \(name)")
    }
    let fold = PastFold(
      definition: definition, catalog: scripts.catalog, log: log, view: view, outline: outline,
      cache: try cache(name), clock: clock, randomness: randomness)
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

  /// The events of the moment; what other tables tell is how things stand now, and they say so.
  /// - Parameter asking: what to ask them without.
  func tables(asking past: String) -> [any SystemTable] {
    var tables: [any SystemTable] = [
      EventsTable(MomentLog(log, view, outline: outline) { !$0.isSystem })
    ]
    for name in SystemTables.names.subtracting(["sys", "events"]).sorted() {
      tables.append(
        StaticSystemTable(name, columns: [.init("name", .text)]) { () throws(StoreError) in
          throw .refused("sys.\(name) tells how things stand now: ask it without \(past)")
        })
    }
    return tables
  }

  /// The log as it stands, without the project's lock.
  static func open(_ paths: ProjectPaths, _ files: any FileSystem) throws(Diagnostic) -> LogReader {
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

  private func cache(_ projection: String) throws(Diagnostic) -> FoldCache {
    try FileError.told { () throws(FileError) in
      let cache = try FoldCache(paths, projection, files: files, clock: clock, randomness: randomness)
      try cache.forgetOthers(than: Set(projections.map(\.name)))
      return cache
    }
  }
}
