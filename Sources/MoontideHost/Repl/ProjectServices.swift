import MoontideCore
import MoontideJSON
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// What the Lua of a REPL reads of its project: the log in place, copies of read models, what consumers keep.
/// It takes no lock. One thread.
final class ProjectServices: DeskServices {
  var catalog: ProjectCatalog?
  private let paths: ProjectPaths
  private let cancellation: QueryCancellation
  private let ask: (String) throws(Diagnostic) -> KeptRows
  private let show: (String) -> Void
  private let files = SystemSurroundings.files
  private var log: LogReader?
  /// Copies by projection, each with where the read model stood.
  private var copies: [String: (store: ProjectionStore, mark: [UInt64])] = [:]

  init(
    _ paths: ProjectPaths, cancellation: QueryCancellation,
    query: @escaping (String) throws(Diagnostic) -> KeptRows, print: @escaping (String) -> Void
  ) {
    self.paths = paths
    self.cancellation = cancellation
    ask = query
    show = print
  }

  /// The next line sees the log as it is then.
  func forgetLog() { log = nil }

  private func opened() throws(Diagnostic) -> LogReader {
    if let log { return log }
    let opened = try PastModels.open(paths, files)
    log = opened
    return opened
  }

  func record(
    at position: Position, into batch: RecordBatch
  ) throws(Diagnostic) -> (record: Record, topic: TopicName)? {
    let log = try opened()
    guard position < log.durableEnd else { return nil }
    try LogError.told { () throws(LogError) in
      _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
    }
    guard let record = batch.records.first, record.position == position else { return nil }
    let topic = log.topics().first { $0.id == record.topic }?.name
    return (record, topic ?? .events)
  }

  func query(_ sql: String) throws(Diagnostic) -> (names: [String], rows: RowBuffer) {
    let kept = try ask(sql)
    if kept.isCut { show("note: query gives the first \(kept.count) rows") }
    return (kept.columns, kept.cells)
  }

  /// Is made anew when the read model has changed. The file of a copy has no name: nothing stays behind.
  func store(of projection: HandlerDefinition) throws(Diagnostic) -> any EffectStore {
    let source = paths.readModel(projection.name)
    let mark = try self.mark(source)
    if let known = copies[projection.name], known.mark == mark, !mark.isEmpty { return known.store }
    copies[projection.name] = nil
    let copy = "\(paths.cache)/desk-\(SystemSurroundings.randomness.next()).sqlite"
    var made: Result<ProjectionStore, Diagnostic>
    do throws(Diagnostic) { made = .success(try store(of: projection, source, mark, at: copy)) } catch {
      made = .failure(error)
    }
    try FileError.told { () throws(FileError) in
      for ending in ["", "-journal", "-wal", "-shm"] { try files.remove(copy + ending) }
    }
    let store = try made.get()
    copies[projection.name] = (store, mark)
    return store
  }

  private func missing(
    _ projection: HandlerDefinition, at path: String
  ) throws(StoreOpeningError) -> ProjectionStore {
    show("note: \(projection.name) has no read model yet: it is called on an empty one")
    return try store(projection, empty: path)
  }

  private func store(
    _ projection: HandlerDefinition, empty path: String
  ) throws(StoreOpeningError) -> ProjectionStore {
    try ProjectionStore.create(
      path: path, schema: projection.schema ?? "",
      identity: StoreIdentity(
        handler: projection.name, kind: .projection, scriptVersion: projection.scriptVersion), bulk: true)
  }

  private func store(
    of projection: HandlerDefinition, _ source: String, _ mark: [UInt64], at copy: String
  ) throws(Diagnostic) -> ProjectionStore {
    try FileError.told { () throws(FileError) in try files.createDirectory(paths.cache) }
    do throws(StoreOpeningError) {
      guard let bytes = mark.first else { return try missing(projection, at: copy) }
      guard bytes <= Limits.replCopyBytesMax else {
        show("note: the read model of \(projection.name) is too large to copy: it is called on an empty one")
        return try store(projection, empty: copy)
      }
      guard try StoreCopy.ifThere(source, at: copy, files) else { return try missing(projection, at: copy) }
      let store = try ProjectionStore.open(path: copy, bulk: true)
      if store.identity.scriptVersion != projection.scriptVersion {
        show("note: the read model of \(projection.name) is of an older script, until the next run")
      }
      return store
    } catch { throw error.diagnostic(source) }
  }

  /// Sizes and times of the file and its write-ahead log; empty when there is none.
  private func mark(_ path: String) throws(Diagnostic) -> [UInt64] {
    try FileError.told { () throws(FileError) in
      var mark: [UInt64] = []
      for ending in ["", "-wal"] {
        guard let status = try files.status(path + ending) else { continue }
        mark += [status.bytes, UInt64(bitPattern: status.modifiedMicroseconds), status.inode]
      }
      return mark
    }
  }

  func state(
    of consumer: HandlerDefinition, topic: TopicName, key: [UInt8]
  ) throws(Diagnostic) -> [UInt8]? {
    let path = paths.handlerFile(consumer.name)
    guard let reader = try StoreReader.ifThere(path, files) else { return nil }
    return try StoreError.told { () throws(StoreError) in try reader.state(topic: topic, key: key) }
  }

  func stream(of decider: String, key: String) throws(Diagnostic) -> String {
    guard let catalog else { return "{}" }
    let texts = LastTexts()
    try StateReader(
      log: try opened(), catalog: catalog, clock: SystemSurroundings.clock,
      randomness: SystemSurroundings.randomness
    ).run(StateRequest(decider: decider, key: key, past: PastMoment()), to: texts, observer: QuietObserver())
    return texts.last
  }

  func print(_ text: String) { show(text) }
  var isInterrupted: Bool { cancellation.isCancelled }
}

/// The last value of the last row.
private final class LastTexts: RowSink {
  private(set) var last = "{}"
  func columns(_ names: [String]) throws(Diagnostic) {}
  func row(_ row: RowBuffer) throws(Diagnostic) { last = row.text(row.cells.count - 1) ?? last }
}
