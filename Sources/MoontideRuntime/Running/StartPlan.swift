public import MoontideCore

/// Where a handler begins that has no checkpoint yet.
public enum StartPlan {
  /// The first position of partitions that one lane has and that were never checkpointed.
  ///
  /// `known` are the lane's checkpoints (nil: those of all lanes). Beside them a partition is new to the
  /// handler (a topic that is new, or that it did not listen to before), and it begins where the lane
  /// stands. Without any the lane never committed, whatever other lanes did, and begins where the script
  /// says; for `now` that is where the hindmost lane stands, should others have begun.
  public static func position(
    _ definition: HandlerDefinition, known: [Position]? = nil, ledger: HandlerLedger, log: any EventLog
  ) throws(LogError) -> Position {
    if let least = (known ?? Array(ledger.checkpoints.values)).min() { return least }
    switch definition.start {
    case nil, .start: return .start
    case .now: return ledger.checkpoints.values.min() ?? log.durableEnd
    case .time(let time): return try log.position(of: .recorded(time)) ?? log.durableEnd
    }
  }

  /// The error of a consumer that is new to a log with events for it and does not say `from`; nil when all is
  /// well. Reads the log from its beginning to count: only when there is an error to report.
  public static func missing(
    _ definition: HandlerDefinition, ledger: HandlerLedger, log: any EventLog
  ) throws(LogError) -> Diagnostic? {
    guard definition.kind != .projection, definition.start == nil, ledger.checkpoints.isEmpty else {
      return nil
    }
    let count = try matching(definition, from: .start, log: log)
    guard count > 0 else { return nil }
    return Diagnostic(
      code: RuntimeCode.startMissing.rawValue,
      "\(definition.kind.rawValue) \(definition.name) is new to this log and must say where it begins",
      at: definition.place,
      details: [
        .init(
          "note",
          "from = \"start\" handles \(count) events that are there; from = \"now\" handles none of them"),
        .init(
          "help",
          "write one of them, or a time such as from = \"2026-11-17\", into the \(definition.kind.rawValue)"),
      ])
  }

  /// How many events of the log from `start` on the handler matches, results of its effects included.
  public static func matching(
    _ definition: HandlerDefinition, from start: Position, log: any EventLog
  ) throws(LogError) -> UInt64 {
    var filter = InterestFilter(definition.interest)
    let batch = RecordBatch()
    var listens: [Bool] = []
    var count: UInt64 = 0
    var at = start
    let end = log.durableEnd
    while at < end {
      at = try log.read(
        from: at, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      for index in batch.records.indices {
        let record = batch.records[index]
        if record.envelope.kind == .result, record.position < end, definition.countsResults,
          let topic = EffectResult.topic(of: record, in: batch, maker: definition.identityName),
          definition.listens(to: topic)
        {
          count += 1
        }
        guard record.envelope.kind == .event else { continue }
        if Int(record.topic.value) >= listens.count {
          listens = log.topics().sorted { $0.id < $1.id }.map { definition.listens(to: $0.name) }
        }
        guard record.position < end, listens[Int(record.topic.value)] else { continue }
        if filter.concerns(record, in: batch) { count += 1 }
      }
    }
    return count
  }
}
