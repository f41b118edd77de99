import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Carries out what people decide about instances: a record of each decision in the log, which the saga meets
/// where it reads. Any thread whose stack has 2 MiB.
struct SagaDesk {
  let project: MoontideProject
  /// The handlers at work; nil when nothing runs.
  let running: RunningGroups?
  let bell: Bell
  let progressed: Bell

  func run(_ request: SagaRequest, to sink: any RowSink) throws(Diagnostic) {
    let saga = try SagaDesk.definition(request.saga, among: project.catalog.sagas)
    guard let (_, reader) = try HandlerSurvey(project).sagaReaders(named: saga.name).first else {
      throw Diagnostic(.noSuchInstance, "saga \(saga.name) has not run yet, so it has no instances")
    }
    let rows = try StoreError.told { () throws(StoreError) in try chosen(request, reader) }
    var fitting: [SagaRow] = []
    for (key, row) in rows {
      guard let row else { throw Diagnostic(.noSuchInstance, "saga \(saga.name) has no instance \(key)") }
      let wanted = request.action == .retry ? "stuck" : "running"
      guard row.status == wanted else {
        throw Diagnostic(
          .noSuchInstance,
          "only what is \(wanted) can be \(request.action == .retry ? "retried" : "cancelled"), "
            + "and \(key) is \(row.status)")
      }
      fitting.append(row)
    }
    let action: SagaDecision.Action = request.action == .retry ? .retry : .cancel
    let decisions = fitting.map { SagaDecision(action, key: $0.key, reason: request.reason) }
    if !decisions.isEmpty {
      let writer = DecisionWriter(log: project.log, randomness: project.randomness)
      let end = try writer.write(decisions, saga: saga.identityName)
      bell.ring()
      try wait(saga.name, past: end)
    }
    try sink.columns(SagaRequest.columns)
    let answer = RowBuffer()
    for row in fitting {
      let now = try StoreError.told { () throws(StoreError) in try reader.saga(row.key) }
      answer.removeAll()
      answer.append(text: saga.name)
      answer.append(text: String(decoding: row.key, as: UTF8.self))
      answer.append(text: row.status)
      answer.append(text: now?.status ?? "")
      try sink.row(answer)
    }
  }

  static func definition(
    _ name: String?, among sagas: [String: SagaDefinition]
  ) throws(Diagnostic) -> SagaDefinition {
    if let name {
      if let known = sagas[name] { return known }
      let near = Suggestion.nearest(to: name, among: sagas.keys.sorted())
      throw Diagnostic(.noSuchHandler, "there is no saga \(name)", help: near.map { "did you mean \($0)?" })
    }
    guard sagas.count == 1, let only = sagas.values.first else {
      throw Diagnostic(
        .noSuchHandler,
        sagas.isEmpty
          ? "the project has no saga"
          : "say which saga is meant: \(sagas.keys.sorted().joined(separator: ", "))")
    }
    return only
  }

  /// The instances that are meant, by correlation value; nil for one that is not there.
  private func chosen(
    _ request: SagaRequest, _ reader: StoreReader
  ) throws(StoreError) -> [(key: String, row: SagaRow?)] {
    var found: [(key: String, row: SagaRow?)] = []
    if !request.keys.isEmpty {
      for key in request.keys { found.append((key, try reader.saga(Array(key.utf8)))) }
      return found
    }
    var after: [UInt8]?
    while true {
      let page = try reader.sagas(after: after, limit: Limits.readRecordsMax)
      guard let last = page.last else { return found }
      for row in page where row.status == "stuck" {
        found.append((String(decoding: row.key, as: UTF8.self), row))
      }
      after = last.key
    }
  }

  /// Until the saga has met the decisions: where nothing runs, this thread runs it to its end.
  private func wait(_ name: String, past end: Position) throws(Diagnostic) {
    guard let running else {
      var options = RunOptions()
      options.once = true
      options.ingests = false
      options.only = [name]
      _ = try project.run(options, observer: QuietObserver(), until: { false })
      return
    }
    let deadline = project.clock.monotonic + Limits.redriveTime
    while project.clock.monotonic < deadline {
      let seen = progressed.count
      guard let group = running.all.first(where: { $0.definition.name == name }), group.halted == nil,
        group.position < end
      else { return }
      progressed.wait(past: seen, for: .milliseconds(200))
    }
  }
}

extension DecisionWriter {
  /// The same about instances of a saga.
  /// - Parameter saga: its identity name.
  @discardableResult
  func write(_ decisions: [SagaDecision], saga: String) throws(Diagnostic) -> Position {
    try LogError.told { () throws(LogError) in
      let topic = try log.topic(.decisions, partitions: 1).id
      var rest = decisions[...]
      while !rest.isEmpty {
        let batch = DraftBatch()
        for decision in rest.prefix(Limits.relayRecordsMax) {
          decision.draft(saga: saga, id: freshID(), topic: topic, into: batch)
        }
        rest = rest.dropFirst(Limits.relayRecordsMax)
        _ = try log.append(AppendRequest(batch: batch))
      }
      CrashPoint.reach(.afterDecision)
      return try log.flush()
    }
  }
}
