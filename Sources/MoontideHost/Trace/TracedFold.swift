import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Folds a projection event by event, and tells what each did to which rows, by which line. Takes no lock and
/// changes nothing but the file that it is given. One thread, with a stack of 2 MiB or more.
struct TracedFold {
  /// How it ended.
  struct End {
    /// Every event before it was folded.
    var position: Position
    /// A projection with `exhausted = "halt"` stopped there.
    var isHalted = false
  }

  let definition: HandlerDefinition
  let catalog: ProjectCatalog
  /// Is read to its end.
  let log: any EventLog
  let clock: any WallClock
  let randomness: any Randomness
  /// Which of the definition's tables are looked at, by their place in the schema; nil: all.
  var tables: Set<Int>?
  /// Asked at each change of a row whether it is told of, while only its cells in the watch are known.
  var keeps: ((RowChange, RowWatch) -> Bool)?
  /// Whether the lines that write are looked for, and whether what scripts read is told.
  var findsLines = true
  var tracksReads = false

  /// Makes the file to fold into, at a path where nothing is.
  /// - Parameter decided: how many of the log's decisions the rows are to follow.
  func store(at path: String, decided: Int) throws(Diagnostic) -> ProjectionStore {
    do throws(StoreOpeningError) {
      return try ProjectionStore.create(
        path: path, schema: definition.schema ?? "",
        identity: StoreIdentity(
          handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion),
        decided: decided, bulk: true)
    } catch { throw error.diagnostic(path) }
  }

  /// Goes on from where the store stands to the end of the log. Events that do not concern the projection are
  /// told to nobody.
  /// - Parameters:
  ///   - store: used by nobody else; it may be closed without being finished.
  ///   - progress: told the position reached and the last one, between commits.
  ///   - each: gets every other event once, in order, with its rows in the watch; what it throws ends all.
  func run(
    _ store: ProjectionStore, progress: (UInt64, UInt64) throws(Diagnostic) -> Void,
    each: @escaping (TracedEvent, RowWatch) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> End {
    let watch = try StoreError.told { () throws(StoreError) in try store.watch() }
    watch.wanted = tables
    watch.tracksReads = tracksReads
    if let keeps { watch.keeps = { [unowned watch] change in keeps(change, watch) } }
    let tripped = TimeTrip()
    var surroundings = HandlerSurroundings(
      clock: clock, randomness: randomness, report: { tripped.note($0) }, print: { _, _, _ in })
    surroundings.batchRecords = Limits.tracedBatchRecords
    let board = StatusBoard(definition, lane: 0)
    let worker = try HandlerWorker(
      definition, lane: 0, catalog: catalog, log: log, store: store, surroundings: surroundings, board: board)
    worker.follow(FoldTrace(watch, each: each))
    if findsLines {
      watch.locate = { [unowned worker] in
        worker.writingLine.map { ScriptLine(path: $0.path, line: $0.line) }
      }
    }
    defer { watch.locate = nil }
    let end = log.durableEnd
    while true {
      let outcome = worker.step()
      // What it would set aside for its time would be another thing on another day.
      if let fault = tripped.fault { throw fault }
      switch outcome {
      case .progressed: try progress(worker.position.value, end.value)
      case .finished:
        if definition.exhausted == .halt, let since = board.status.degradedSince {
          return End(position: since.next, isHalted: true)
        }
        throw board.status.halted ?? Diagnostic(.storeDamaged, "the fold ended early")
      case .idle:
        if let waiting = board.status.waiting { throw waiting }
        try progress(end.value, end.value)
        return End(position: end)
      }
    }
  }
}
