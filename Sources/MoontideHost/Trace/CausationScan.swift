import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// Follows causes through the log: one pass from the root to the end, since next to nothing lies before its
/// cause.
struct CausationScan {
  /// The firing of a timer whose instance is not known yet.
  private struct Firing {
    var node: ImpactNode
    var timer: FiredTimer
  }

  let log: any EventLog
  let catalog: ProjectCatalog
  /// Instances of sagas that belong to the chain of the root.
  let instances: TracedInstances
  var growth: ImpactGrowth
  private var firings: [[UInt8]: Firing] = [:]
  /// What belongs to the chain and whose cause is not there yet, by that cause's id: a saga hands on what a
  /// firing makes before the firing itself.
  private var early: [[UInt8]: [ImpactNode]] = [:]
  private var earlyCount = 0
  private var topics: [TopicName] = []

  init(_ log: any EventLog, _ catalog: ProjectCatalog, _ instances: TracedInstances) {
    self.log = log
    self.catalog = catalog
    self.instances = instances
    let known = log.topics().sorted { $0.id < $1.id }
    topics = known.map(\.name)
    growth = ImpactGrowth(catalog, topics: known)
  }

  /// - Parameter progress: told the position reached and the last one.
  mutating func run(
    from root: Position, _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let batch = RecordBatch()
    try LogError.told { () throws(LogError) in
      _ = try log.read(from: root, records: 1, bytes: 1, into: batch)
    }
    guard let record = batch.records.first, record.position == root else { return }
    begin(record, batch)
    var position = root.next
    // What a firing made stands before it, and so do the events of a decision and its outcome.
    if record.envelope.kind == .timer || record.envelope.kind == .outcome {
      position = Position(root.value - min(root.value, Limits.impactRecordsBefore))
    }
    let end = log.durableEnd
    while position < end {
      let next = try LogError.told { () throws(LogError) in
        try log.read(
          from: position, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records where record.position != root { take(record, batch) }
      guard next > position else { return }
      position = next
      try progress(position.value, end.value)
    }
  }

  private func topic(_ record: Record) -> TopicName { topics[Int(record.topic.value)] }

  private mutating func begin(_ record: Record, _ batch: RecordBatch) {
    let kind: ImpactNode.Kind =
      switch record.envelope.kind {
      case .event: .event
      case .command: .command
      case .outcome: .outcome
      case .timer: .timer
      case .result: .effect
      case .decision: .decision
      case .quarantine, .takeover: .record
      }
    var node = ImpactNode(kind, record, in: batch, topic: topic(record), under: nil)
    switch kind {
    case .outcome:
      guard let outcome = CommandOutcome(record, in: batch) else { break }
      node.name = outcome.command
      (node.state, node.detail) = Self.words(outcome)
    case .timer:
      node.state = "fired"
      if let fired = FiredTimer(record, in: batch) { node.name = fired.purpose }
    case .effect: node.state = EffectResult(record, in: batch).isDone ? "done" : "failed"
    case .record:
      node.name =
        record.envelope.kind == .takeover ? "scripts that were taken up" : "a line that could not be taken"
    default: break
    }
    growth.add(node, id: Array(batch.bytes[record.envelope.id.indices]))
  }

  private mutating func take(_ record: Record, _ batch: RecordBatch) {
    switch record.envelope.kind {
    case .event, .command, .result: takeMade(record, batch)
    case .outcome: takeOutcome(record, batch)
    case .timer: takeTimer(record, batch)
    case .decision: takeDecision(record, batch)
    case .quarantine, .takeover: break
    }
  }

  private mutating func takeMade(_ record: Record, _ batch: RecordBatch) {
    guard let cause = RecordCause(record, in: batch) else { return }
    let kind: ImpactNode.Kind =
      switch record.envelope.kind {
      case .event: .event
      case .result: .effect
      default: .command
      }
    var node = ImpactNode(kind, record, in: batch, topic: topic(record), under: nil)
    if kind == .effect {
      let result = EffectResult(record, in: batch)
      node.state = result.isDone ? "done" : "failed"
      node.detail = result.error
    }
    node.parent = growth.parent(of: node, cause: cause.id)
    if node.parent == nil, instances.isTraced(cause.correlation) {
      if let firing = firings.removeValue(forKey: cause.id) { node.parent = adopt(firing) }
      if node.parent == nil, earlyCount < Limits.impactFiringsMax {
        early[cause.id, default: []].append(node)
        earlyCount += 1
      }
    }
    if node.parent != nil { place(node) }
  }

  /// Adds a node, and what was waiting for it.
  @discardableResult
  private mutating func place(_ node: ImpactNode) -> Int? {
    var open = [node]
    var first: Int?
    while let node = open.popLast() {
      let id = Array(node.id.utf8)
      guard let index = growth.add(node, id: id) else { break }
      first = first ?? index
      for var waiting in early.removeValue(forKey: id) ?? [] {
        waiting.parent = growth.parent(of: waiting, cause: id)
        if waiting.parent != nil { open.append(waiting) }
      }
    }
    return first
  }

  private mutating func takeOutcome(_ record: Record, _ batch: RecordBatch) {
    guard let index = growth.command(answeredBy: record, in: batch),
      let outcome = CommandOutcome(record, in: batch)
    else { return }
    (growth[index].state, growth[index].detail) = Self.words(outcome)
    growth.note(record.position, of: index)
  }

  private static func words(_ outcome: CommandOutcome) -> (state: String, detail: String) {
    guard outcome.verdict != .accepted else {
      return ("accepted", outcome.events.isEmpty ? "nothing happened" : "")
    }
    return (outcome.verdict.word, outcome.text.isEmpty ? outcome.code : "\(outcome.code): \(outcome.text)")
  }

  private mutating func takeTimer(_ record: Record, _ batch: RecordBatch) {
    guard let timer = FiredTimer(record, in: batch) else { return }
    let id = Array(batch.bytes[record.envelope.id.indices])
    var node = ImpactNode(.timer, record, in: batch, topic: topic(record), under: nil)
    node.name = timer.purpose
    node.state = "fired"
    node.detail = "due \(timer.due)"
    if early[id] != nil || instances.has(timer.saga, timer.key) {
      _ = adopt(Firing(node: node, timer: timer))
    } else if firings.count < Limits.impactFiringsMax {
      firings[id] = Firing(node: node, timer: timer)
    }
  }

  /// Puts the firing of a timer under what set it, if that is in the tree.
  private mutating func adopt(_ firing: Firing) -> Int? {
    guard let parent = setter(of: firing.timer) else { return nil }
    var node = firing.node
    node.parent = parent
    return place(node)
  }

  /// What set a timer: the timeout of a step counts from the moment in which its command was sent. Of others
  /// it is known only that they are the instance's, so they stand under what began it.
  func setter(of timer: FiredTimer) -> Int? {
    let saga = catalog.sagas.values.first { $0.identityName == timer.saga }
    if let name = timer.step, let step = saga?.plan.steps.first(where: { $0.name == name }),
      let timeout = step.timeout
    {
      let set = timer.due.microseconds - Int64(timeout / .microseconds(1))
      let source = Array(timer.saga.utf8)
      let sent = growth.nodes.last {
        $0.kind == .command && $0.source == source && $0.timeMicroseconds == set && $0.parent != nil
      }
      if let parent = sent?.parent { return parent }
      if !step.sends,
        let begun = growth.nodes.lastIndex(where: { $0.kind == .event && $0.timeMicroseconds == set })
      {
        return begun
      }
    }
    return instances.began(timer.saga, timer.key).flatMap { growth.node(at: $0) }
  }

  /// What a person wrote, if anything.
  private static func reason(_ record: Record, _ batch: RecordBatch) -> String {
    do throws(EnvelopeFault) {
      return try JSONValue(parsing: batch.bytes, record.envelope.data)["reason"]?.text ?? ""
    } catch { return "" }
  }

  private mutating func takeDecision(_ record: Record, _ batch: RecordBatch) {
    let decision = Decision(record, in: batch)
    for position in decision.positions {
      guard let parent = growth.node(at: position) else { continue }
      var node = ImpactNode(.decision, record, in: batch, topic: topic(record), under: parent)
      node.name = decision.action.rawValue
      node.id = ""
      node.detail = Self.reason(record, batch)
      growth.add(node)
    }
  }
}
