public import MoontideCore
import MoontideLog
import MoontideSQLite

/// Answers the statements of a REPL, beside a run or without one. The project's lock is never held while rows
/// are shown, nor between statements. One thread, with a stack of 2 MiB or more.
public final class ReplQueries {
  let paths: ProjectPaths
  private let cancellation: QueryCancellation
  private let files = SystemSurroundings.files
  private let clock = SystemSurroundings.clock
  private let randomness = SystemSurroundings.randomness

  /// - Parameter cancellation: stops the statement that runs; renewed by whoever owns it.
  public init(_ paths: ProjectPaths, cancellation: QueryCancellation) {
    self.paths = paths
    self.cancellation = cancellation
  }

  /// Hands the rows of one statement to `sink`, as they come.
  /// - Parameter observer: hears of folding, and what a person should know.
  /// - Throws: what the query would throw; that of a cancellation is `E0610` too.
  public func run(
    _ question: ReplQuestion, to sink: any RowSink, observer: any PastObserver
  ) throws(Diagnostic) {
    let sink = StoppableSink(sink, cancellation)
    let words = SQLWords(question.sql).words.map { $0.lowercased() }
    let named = question.attached.filter { words.contains($0.key.lowercased()) }
    let last = words.contains("_") ? question.last : nil
    if question.moment == nil, named.isEmpty, last == nil { return try plain(question, sink) }
    var tables: [any SystemTable] = last.map { [$0.table] } ?? []
    var models: PastModels?
    if let moment = question.moment {
      let past = try self.models(moment, observer)
      tables += past.tables(asking: ".as-of and .as-known (.as-of off)")
      models = past
    } else {
      tables += try systemTables(words)
    }
    var attached: [String: PastModels] = [:]
    for (name, moment) in named { attached[name] = try self.models(moment, observer) }
    let sent = try rewrite(question.sql, attached)
    var session = QuerySession(paths: paths, files: files, clock: clock, tables: tables)
    session.cancellation = cancellation
    session.made = .init(
      catalog: try catalog(models, attached, sent.schemas), isBeside: models == nil
    ) { name throws(Diagnostic) in
      guard let parts = AttachedNames.parts(of: name), let past = attached[parts.moment] else {
        guard let models else { throw Diagnostic(.noSuchHandler, "there is no read model \(name)") }
        return try models.path(name, observer)
      }
      return try past.path(parts.model, observer)
    }
    let request = QueryRequest(question.sql, timeout: question.timeout, rowsMax: question.rowsMax)
    try session.run(request, sent: sent, to: sink)
  }

  /// What a moment comes to, for people; throws for one that cannot be asked.
  public func description(
    of moment: PastMoment, observer: any PastObserver
  ) throws(Diagnostic) -> String {
    let models = try models(moment, observer)
    try models.noteEmptiness(observer)
    return models.description
  }

  private func models(
    _ moment: PastMoment, _ observer: any PastObserver
  ) throws(Diagnostic) -> PastModels {
    try PastModels(paths, moment, files: files, clock: clock, randomness: randomness, observer)
  }

  private func rewrite(
    _ sql: String, _ attached: [String: PastModels]
  ) throws(Diagnostic) -> AttachedNames {
    var moments: [String: [String: [String]]] = [:]
    for (name, models) in attached {
      moments[name] = Dictionary(
        try models.catalog().models.map { ($0.name, $0.tables) }, uniquingKeysWith: { first, _ in first })
    }
    let sent = AttachedNames(sql, moments: moments)
    if let ambiguous = sent.ambiguous {
      throw Diagnostic(
        .query, "\(ambiguous.name) is in several read models",
        help: "say which: \(ambiguous.candidates.joined(separator: " or "))")
    }
    return sent
  }

  private func catalog(
    _ models: PastModels?, _ attached: [String: PastModels], _ schemas: Set<String>
  ) throws(Diagnostic) -> QueryCatalog {
    var catalog = try models?.catalog() ?? QueryCatalog()
    for (name, past) in attached {
      for model in try past.catalog().models {
        let schema = AttachedNames.schema(of: name, in: model.name)
        guard schemas.contains(schema) else { continue }
        catalog.models.append(.init(name: schema, path: "", tables: model.tables, isNamedOnly: true))
      }
    }
    return catalog
  }

  // MARK: The present

  /// A statement that names nothing of the REPL's own goes the way of every other one. Without a run, system
  /// tables need the project for a moment: their rows are held until it is let go. Many events are rather
  /// read in place, which takes no lock.
  private func plain(_ question: ReplQuestion, _ sink: StoppableSink) throws(Diagnostic) {
    let request = QueryRequest(question.sql, timeout: question.timeout, rowsMax: question.rowsMax)
    guard ProjectDoor.mayReadSystem(question.sql) else {
      var session = QuerySession(paths: paths, files: files, clock: clock, tables: [])
      session.cancellation = cancellation
      return try session.run(request, to: sink)
    }
    guard let held = try ask(request, sink) else { return }
    if held.isCut { return try inPlace(question, request, sink) }
    try held.play(to: sink)
  }

  /// Asks a run, which answers at once, or holds the project until the answer is known: then it is returned.
  private func ask(_ request: QueryRequest, _ sink: StoppableSink) throws(Diagnostic) -> HeldRows? {
    let access = try ProjectDoor.access(paths, stoppedBy: cancellation)
    if access is ControlClient {
      try access.query(request, to: sink)
      return nil
    }
    let held = HeldRows()
    _ = try held.fill { held throws(Diagnostic) in try access.query(request, to: held) }
    return held
  }

  private func inPlace(
    _ question: ReplQuestion, _ request: QueryRequest, _ sink: StoppableSink
  ) throws(Diagnostic) {
    let words = Set(SQLWords(question.sql).words.map { $0.lowercased() })
    guard words.intersection(SystemTables.names).isSubset(of: ["sys", "events"]) else {
      throw Diagnostic(
        .query, "an answer of system tables has at most \(Limits.replHeldBytesMax) bytes here",
        help: "add a limit, or moontide query")
    }
    var session = QuerySession(
      paths: paths, files: files, clock: clock, tables: [EventsTable(try PastModels.open(paths, files))])
    session.cancellation = cancellation
    try session.run(request, to: sink)
  }

  /// The system tables that a statement names, for one that names something of the REPL's own too: events in
  /// place, others as they are now.
  private func systemTables(_ words: [String]) throws(Diagnostic) -> [any SystemTable] {
    var tables: [any SystemTable] = []
    for name in SystemTables.names.sorted() where name != "sys" && words.contains(name) {
      guard name != "events" else {
        tables.append(EventsTable(try PastModels.open(paths, files)))
        continue
      }
      let held = HeldRows()
      let isWhole = try held.fill { held throws(Diagnostic) in
        try ProjectDoor.access(paths, stoppedBy: cancellation).query(
          QueryRequest("select * from sys.\(name)", rowsMax: .max), to: held)
      }
      guard isWhole else {
        throw Diagnostic(
          .query, "sys.\(name) has more rows than can be joined here", help: "ask it without _ and .attach")
      }
      tables.append(held.table(name))
    }
    return tables
  }
}

/// Hands rows on until somebody stops it.
private final class StoppableSink: RowSink {
  private let sink: any RowSink
  private let cancellation: QueryCancellation

  init(_ sink: any RowSink, _ cancellation: QueryCancellation) {
    self.sink = sink
    self.cancellation = cancellation
  }

  func columns(_ names: [String]) throws(Diagnostic) { try sink.columns(names) }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    guard !cancellation.isCancelled else {
      throw Diagnostic(.query, "the query was stopped", help: "run it again")
    }
    try sink.row(row)
  }
}
