import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// `sys.commands`: every command of the log with its outcome, in order of position. Read in place; the
/// outcome is looked up only for queries that ask for something of it. Used by the thread of the query.
final class CommandsTable: SystemTable {
  let name = "commands"
  let columns: [SystemColumn] = [
    .init("position", .integer), .init("id", .text), .init("source", .text), .init("type", .text),
    .init("decider", .text), .init("topic", .text), .init("key", .text), .init("outcome", .text),
    .init("code", .text), .init("text", .text), .init("version", .integer), .init("events", .text),
    .init("decided", .integer), .init("time", .text), .init("recorded", .text), .init("data", .text),
    .init("meta", .text),
  ]

  private enum Column {
    static let position = 0
    static let key = 6
    /// `outcome` to `decided`: what only the outcome knows.
    static let answer = 7...12
  }

  private let log: any EventLog
  private let catalog: ProjectCatalog
  private let fault: TableFault

  init(_ log: any EventLog, _ catalog: ProjectCatalog, _ fault: TableFault) {
    self.log = log
    self.catalog = catalog
    self.fault = fault
  }

  func plan(_ conditions: [SystemCondition]) -> SystemPlan {
    var chosen: [Int] = []
    var rows = 100_000
    for (index, condition) in conditions.enumerated() {
      if condition.column == Column.position {
        chosen.append(index)
        rows = min(rows, condition.comparison == .equal ? 1 : 25_000)
      } else if condition.column == Column.key, condition.comparison == .equal {
        chosen.append(index)
        rows = min(rows, 100)
      }
    }
    return SystemPlan(chosen: chosen, rows: rows, orderedBy: Column.position)
  }

  func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor {
    let cursor = CommandsCursor(
      log, catalog, fault,
      asksOutcome: Column.answer.contains { columnsUsed & 1 << UInt64($0) != 0 }
        || columnsUsed & 0b11_0000 != 0)
    for (condition, value) in conditions { cursor.narrow(condition, value, key: Column.key) }
    return cursor
  }
}

/// One scan of `sys.commands`.
private final class CommandsCursor: SystemCursor {
  private let log: any EventLog
  private let catalog: ProjectCatalog
  private let fault: TableFault
  private let asksOutcome: Bool
  private let commands: TopicDescription?
  private let batch = RecordBatch()
  private var index = 0
  /// Where in the batch outcomes lie: most are near their commands, which saves looking them up.
  private var answers: [Command.Identity: Int] = [:]
  private var next = Position.start
  private var end: Position
  private var key: [UInt8]?
  /// Of a scan of one key: the next command of it.
  private var version = 0
  private var isAtEnd: Bool

  init(_ log: any EventLog, _ catalog: ProjectCatalog, _ fault: TableFault, asksOutcome: Bool) {
    self.log = log
    self.catalog = catalog
    self.fault = fault
    self.asksOutcome = asksOutcome
    commands = log.topics().first { $0.name == .commands }
    end = log.durableEnd
    isAtEnd = commands == nil
  }

  func narrow(_ condition: SystemCondition, _ value: SystemValue, key column: Int) {
    switch (condition.column, value) {
    case (column, .text(let text)): key = Array(text.utf8)
    case (0, .integer(let number)):
      let (comparison, isUpper) = (condition.comparison, number >= 0)
      guard isUpper else {
        isAtEnd = isAtEnd || comparison == .equal || comparison == .less || comparison == .lessOrEqual
        return
      }
      let here = Position(UInt64(number))
      if comparison == .equal || comparison == .greaterOrEqual { next = max(next, here) }
      if comparison == .greater { next = max(next, here.next) }
      if comparison == .equal || comparison == .lessOrEqual { end = min(end, here.next) }
      if comparison == .less { end = min(end, here) }
    case (_, .null): isAtEnd = true
    default: break
    }
  }

  func next(into row: RowBuffer) throws(StoreError) -> Bool {
    while true {
      while index < batch.records.count {
        let record = batch.records[index]
        index += 1
        guard record.envelope.kind == .command, record.position >= next || key == nil,
          record.position < end
        else { continue }
        try fault.stored { () throws(Diagnostic) in
          try LogError.told { () throws(LogError) in try write(record, into: row) }
        }
        return true
      }
      if isAtEnd { return false }
      try fault.stored { () throws(Diagnostic) in
        try LogError.told { () throws(LogError) in try fill() }
      }
    }
  }

  private func fill() throws(LogError) {
    index = 0
    batch.removeAll()
    if let key, let commands {
      let read = try log.read(
        topic: commands.id, key: key, from: version, records: Limits.readRecordsMax, into: batch)
      isAtEnd = read == version
      version = read
    } else if next < end {
      next = try log.read(
        from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
    }
    if key == nil, next >= end { isAtEnd = true }
    guard asksOutcome else { return }
    answers.removeAll(keepingCapacity: true)
    for (index, record) in batch.records.enumerated() where record.envelope.kind == .outcome {
      answers[Command.Identity(record, in: batch)] = index
    }
  }

  private func outcome(of record: Record) throws(LogError) -> CommandOutcome? {
    guard asksOutcome else { return nil }
    let identity = Command.Identity(record, in: batch)
    if let index = answers[identity] { return CommandOutcome(batch.records[index], in: batch) }
    return try CommandOutcome.find(identity, in: log)
  }

  private func write(_ record: Record, into row: RowBuffer) throws(LogError) {
    let envelope = record.envelope
    func add(_ text: String?) {
      if let text { row.append(text: text) } else { row.cells.append(.null) }
    }
    func add(_ part: ByteRange) {
      if part.isEmpty { return row.cells.append(.null) }
      row.cells.append(Cell(kind: .text, part: row.bytes.appendPart(batch.bytes, part)))
    }
    let outcome = try outcome(of: record)
    let type = batch.bytes.text(envelope.type)
    let decider = outcome == nil ? catalog.decider(ofCommand: type) : nil
    row.cells.append(.integer(Int64(record.position.value)))
    add(envelope.id)
    add(batch.bytes.text(envelope.source))
    add(type)
    // Who will decide it, where nobody has.
    add(outcome?.decider ?? decider?.name)
    add(outcome?.topic ?? decider?.topic.text)
    add(envelope.key)
    add(outcome?.verdict.word)
    let isRefusal = outcome != nil && outcome?.verdict != .accepted
    add(isRefusal ? outcome?.code : nil)
    add(isRefusal ? outcome?.text : nil)
    row.cells.append(outcome.map { .integer(Int64($0.version)) } ?? .null)
    add(outcome?.eventsJSON)
    row.cells.append(outcome.map { .integer(Int64($0.position.value)) } ?? .null)
    let recorded = EventTime(microseconds: record.recordedMicroseconds).description
    if envelope.time.isEmpty { add(recorded) } else { add(envelope.time) }
    add(recorded)
    add(envelope.data)
    add(envelope.meta)
  }
}
