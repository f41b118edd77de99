import MoontideCore
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// What decisions about one handler's dead letters would do, tried on a copy: which would be applied, what
/// they would emit, which rows would change. Nothing is decided, written or emitted.
struct Rehearsal {
  let project: MoontideProject
  let answer: DeadAnswer

  func run(_ decisions: [Decision], _ letters: DeadSelection.Letters) throws(Diagnostic) {
    let name = letters.definition.name
    let path = "\(project.paths.cache)/rehearsal-\(name)-\(project.randomness.next()).sqlite"
    var failure: Diagnostic?
    do throws(Diagnostic) {
      if letters.definition.kind == .projection {
        try projection(decisions, letters, at: path)
      } else {
        try reacting(decisions, letters, at: path)
      }
    } catch { failure = error }
    try FileError.told { () throws(FileError) in
      for ending in ["", "-wal", "-shm"] { try project.files.remove(path + ending) }
    }
    if let failure { throw failure }
  }

  private func surroundings() -> HandlerSurroundings {
    HandlerSurroundings(
      clock: project.clock, randomness: project.randomness, report: { _ in }, print: { _, _, _ in })
  }

  // MARK: Consumers and sagas

  private func reacting(
    _ decisions: [Decision], _ letters: DeadSelection.Letters, at path: String
  ) throws(Diagnostic) {
    var definition = letters.definition
    // Every event once, by one worker: what fails now would be tried again by policy.
    definition.lanes = 1
    definition.retry = RetryPolicy(attempts: 1)
    definition.exhausted = .park
    let source = project.paths.handlerFile(definition.name)
    let store = try opened(path) { () throws(StoreOpeningError) in
      let reader = try StoreReader(path: source)
      try StoreOpeningError.told { () throws(StoreError) in try reader.copy(to: path) }
      let identity = StoreIdentity(
        handler: definition.name, kind: definition.kind, scriptVersion: definition.scriptVersion)
      return try ConsumerFile(path: path, identity: identity).store()
    }
    let before = try StoreError.told { () throws(StoreError) in try store.ledger() }
    let board = StatusBoard(definition, lane: 0)
    if var saga = project.catalog.sagas[definition.name], definition.kind == .saga {
      saga.handler = definition
      try SagaWorker(
        saga, catalog: project.catalog, log: project.log, store: store, surroundings: surroundings(),
        board: board
      ).rehearse(decisions)
    } else {
      try HandlerWorker(
        definition, catalog: project.catalog, log: project.log, store: store, surroundings: surroundings(),
        board: board
      ).rehearse(decisions)
    }
    let dead = try StoreError.told { () throws(StoreError) in try store.deadLetters() }
    let emitted = try StoreError.told { () throws(StoreError) in
      try store.outbox(from: before.nextOutbox, limit: Limits.queryRowsMax)
    }
    let waiting = Dictionary(
      before.parked.map { ($0.position, $0.held) }, uniquingKeysWith: { first, _ in first })
    let after = try StoreError.told { () throws(StoreError) in try store.ledger() }
    let stillHeld = Set(after.parked.flatMap(\.held))
    let deadNow = Dictionary(dead.map { ($0.position, $0) }, uniquingKeysWith: { first, _ in first })
    let types = Dictionary(grouping: emitted, by: \.cause).mapValues { events in
      events.map { String(decoding: $0.type, as: UTF8.self) }
    }
    let isSkipped = decisions.first?.action == .skip
    for letter in letters.letters {
      let position = letter.position
      if let failed = deadNow[position] {
        try answer.add("d-\(position.value)", definition.name, "would fail", failed.message)
        continue
      }
      let held = waiting[position] ?? []
      let through = held.filter { !stillHeld.contains($0) && deadNow[$0] == nil }
      let caused = ([position] + through).flatMap { types[$0] ?? [] }
      try answer.add(
        "d-\(position.value)", definition.name, isSkipped ? "would be skipped" : "would be applied",
        "\(through.count) of \(Counted.text(held.count, "event")) behind it too; emits "
          + (caused.isEmpty ? "nothing" : Rehearsal.counted(caused)))
    }
  }

  /// `2 ReceiptRequested, 1 Copy`
  private static func counted(_ types: [String]) -> String {
    Dictionary(grouping: types, by: { $0 }).sorted { $0.key < $1.key }.map { "\($0.value.count) \($0.key)" }
      .joined(separator: ", ")
  }

  // MARK: Projections

  private func projection(
    _ decisions: [Decision], _ letters: DeadSelection.Letters, at path: String
  ) throws(Diagnostic) {
    var definition = letters.definition
    // One that stops at what fails would not show the rows behind it.
    definition.exhausted = .park
    let decided = try LogError.told { () throws(LogError) in
      try Rulings.load(of: definition.identityName, from: project.log).decisions
    }
    let store = try opened(path) { () throws(StoreOpeningError) in
      try ProjectionStore.create(
        path: path, schema: definition.schema ?? "",
        identity: StoreIdentity(
          handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion),
        decided: decided, bulk: true)
    }
    let worker = try HandlerWorker(
      definition, catalog: project.catalog, log: project.log, store: store, surroundings: surroundings(),
      board: StatusBoard(definition, lane: 0))
    worker.foresee(decisions)
    let end = project.log.durableEnd
    while worker.board.status.position < end {
      if case .finished = worker.step() {
        throw worker.board.status.halted ?? Diagnostic(.storeDamaged, path)
      }
    }
    let ledger = try StoreError.told { () throws(StoreError) in
      try store.finish()
      return try store.ledger()
    }
    let dead = Dictionary(
      try StoreError.told { () throws(StoreError) in try store.deadLetters() }.map { ($0.position, $0) },
      uniquingKeysWith: { first, _ in first })
    for letter in letters.letters {
      let failed = dead[letter.position]
      try answer.add(
        "d-\(letter.position.value)", definition.name,
        failed != nil
          ? "would fail" : decisions.first?.action == .skip ? "would be skipped" : "would be applied",
        failed?.message ?? "")
    }
    if ledger.deadLetters > 0 {
      try answer.add(
        "", definition.name, "would be degraded",
        "\(Counted.text(ledger.deadLetters, "dead letter")) would stay")
    }
    try compare(definition, tables: store.tables.map(\.name), with: path)
  }

  /// The rows that would go and come, table by table.
  private func compare(_ definition: HandlerDefinition, tables: [String], with path: String)
    throws(Diagnostic)
  {
    let catalog = QueryCatalog([
      .init(name: "now_", path: project.paths.readModel(definition.name), tables: tables),
      .init(name: "then_", path: path, tables: tables),
    ])
    let engine = try StoreError.told { () throws(StoreError) in
      try QueryEngine(catalog, clock: project.clock)
    }
    for table in tables {
      let parts = table.split(separator: "\"", omittingEmptySubsequences: false)
      let name = "\"" + parts.joined(separator: "\"\"") + "\""
      for (sign, from, other) in [("-", "now_", "then_"), ("+", "then_", "now_")] {
        let sql = "select * from \(from).\(name) except select * from \(other).\(name)"
        try tell(definition, engine, "\(sign) \(table)", sql)
      }
    }
  }

  private func tell(
    _ definition: HandlerDefinition, _ engine: QueryEngine, _ change: String, _ sql: String
  ) throws(Diagnostic) {
    var names: [String] = []
    var shown: [String] = []
    var count = 0
    do throws(QueryError) {
      try engine.run(
        sql, bounds: .init(bytes: .max), columns: { names = $0 },
        row: { row in
          count += 1
          if count <= Limits.rehearsedRowsMax {
            let cells = zip(names, row.cells.indices).map { "\($0)=\(Rehearsal.text(row, $1))" }
            shown.append(cells.joined(separator: " "))
          }
          return true
        })
    } catch {
      throw Diagnostic(.query, "the rows of \(definition.name) cannot be compared: \(error)")
    }
    for text in shown { try answer.add("", definition.name, change, text) }
    if count > shown.count { try answer.add("", definition.name, change, "… \(count) rows in all") }
  }

  private static func text(_ row: RowBuffer, _ index: Int) -> String {
    let cell = row.cells[index]
    switch cell.kind {
    case .absent, .null: return "NULL"
    case .integer: return String(cell.bits)
    case .real: return cell.real.description
    case .text, .blob: return row.text(index) ?? ""
    }
  }

  private func opened<T>(_ path: String, _ body: () throws(StoreOpeningError) -> T) throws(Diagnostic) -> T {
    do throws(StoreOpeningError) { return try body() } catch { throw error.diagnostic(path) }
  }
}
