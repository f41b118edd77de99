import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// What questions about causes share: a project's scripts, its log, and folds of its projections that are
/// looked at. Takes no lock.
struct TraceSession {
  /// How far a read model has come, and by which script.
  struct Standing {
    /// Every event before it is in the read model.
    var end: Position
    var decided: Int
    var scriptVersion: String
    var degradedSince: Position?
    var setAside: Int
  }

  let paths: ProjectPaths
  let files: any FileSystem
  let clock: any WallClock
  let randomness: any Randomness
  let scripts: LoadedScripts
  let log: LogReader

  init(_ paths: ProjectPaths) throws(Diagnostic) {
    self.paths = paths
    let files = SystemSurroundings.files
    self.files = files
    clock = SystemSurroundings.clock
    randomness = SystemSurroundings.randomness
    scripts = try LoadedScripts.load(paths, files: files)
    let segments = paths.log + "/segments"
    let isThere = try FileError.told { () throws(FileError) in
      guard try files.status(segments) != nil else { return false }
      return try !files.list(segments).isEmpty
    }
    guard isThere else { throw Diagnostic(.noSuchEvent, "the log is empty", help: "moontide run --once") }
    log = try LogError.told { () throws(LogError) in
      try LogReader(directory: paths.log, files: files, trusting: true)
    }
  }

  var catalog: ProjectCatalog { scripts.catalog }

  /// Nil when there is no read model yet.
  func standing(of definition: HandlerDefinition) throws(Diagnostic) -> Standing? {
    guard let reader = try reader(of: definition) else { return nil }
    let ledger = try StoreError.told { () throws(StoreError) in try reader.ledger() }
    return Standing(
      end: min(ledger.checkpoints.values.max() ?? .start, log.durableEnd), decided: ledger.decided,
      scriptVersion: reader.identity.scriptVersion, degradedSince: ledger.degradedSince,
      setAside: ledger.deadLetters)
  }

  /// The file of a handler; nil while it has none.
  func reader(of definition: HandlerDefinition) throws(Diagnostic) -> StoreReader? {
    let path =
      definition.kind == .projection
      ? paths.readModel(definition.name) : paths.handlerFile(definition.name)
    return try StoreReader.ifThere(path, files)
  }

  /// What the log had at a moment; nil for what it has.
  func view(_ moment: PastMoment?) throws(Diagnostic) -> PastView {
    guard let moment else { return PastView(whole: log) }
    return try PastView(moment, in: log)
  }

  /// How many decisions about a handler's events lie before `end`.
  func decisions(about definition: HandlerDefinition, before end: Position) throws(Diagnostic) -> Int {
    try LogError.told { () throws(LogError) in
      try PastDecisions(of: definition.identityName, in: log, before: end).count
    }
  }

  /// Folds a projection over a view of the log in a file of its own, which is removed.
  /// - Parameter prepare: says what of the fold is wanted.
  func fold(
    _ definition: HandlerDefinition, over view: PastView, decided: Int, observer: any PastObserver,
    _ prepare: (inout TracedFold) -> Void,
    each: @escaping (TracedEvent, RowWatch) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> TracedFold.End {
    let past = MomentLog(log, view, outline: nil) { definition.listens(to: $0) }
    var fold = TracedFold(
      definition: definition, catalog: catalog, log: past, clock: clock, randomness: randomness)
    prepare(&fold)
    let file = try TraceFile(paths, files: files, randomness: randomness)
    let end: TracedFold.End
    do throws(Diagnostic) {
      end = try run(fold, in: file, decided, observer, each)
    } catch {
      try file.remove()
      throw error
    }
    try file.remove()
    try observer.folded(definition.name)
    return end
  }

  private func run(
    _ fold: TracedFold, in file: TraceFile, _ decided: Int, _ observer: any PastObserver,
    _ each: @escaping (TracedEvent, RowWatch) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> TracedFold.End {
    let store = try fold.store(at: file.path, decided: decided)
    return try fold.run(
      store,
      progress: { done, total throws(Diagnostic) in
        try observer.folding(fold.definition.name, done: done, total: total)
      }, each: each)
  }
}
