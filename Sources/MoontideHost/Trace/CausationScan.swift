import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Follows causes through the log: one pass from the root to the end, since nothing lies before its cause.
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
    var position = root
    let end = log.durableEnd
    while position < end {
      let next = try LogError.told { () throws(LogError) in
        try log.read(
          from: position, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records {
        if record.position == root { begin(record, batch) } else { take(record, batch) }
      }
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
    case .event, .command: takeMade(record, batch)
    case .outcome: takeOutcome(record, batch)
    case .result: takeResult(record, batch)
    case .timer: takeTimer(record, batch)
    case .decision: takeDecision(record, batch)
    case .quarantine, .takeover: break
    }
  }

  private mutating func takeMade(_ record: Record, _ batch: RecordBatch) {
    guard let cause = RecordCause(record, in: batch) else { return }
    var parent = growth.parent(of: record, cause, in: batch)
    if parent == nil, let firing = firings[cause.id], instances.isTraced(cause.correlation) {
      parent = adopt(firing)
      firings[cause.id] = nil
    }
    guard let parent else { return }
    let kind: ImpactNode.Kind = record.envelope.kind == .event ? .event : .command
    let node = ImpactNode(kind, record, in: batch, topic: topic(record), under: parent)
    growth.add(node, id: Array(batch.bytes[record.envelope.id.indices]))
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

  private mutating func takeResult(_ record: Record, _ batch: RecordBatch) {
    guard let cause = RecordCause(record, in: batch),
      let parent = growth.parent(of: record, cause, in: batch)
    else { return }
    var node = ImpactNode(.effect, record, in: batch, topic: topic(record), under: parent)
    let result = EffectResult(record, in: batch)
    node.state = result.isDone ? "done" : "failed"
    node.detail = result.error
    growth.add(node, id: Array(batch.bytes[record.envelope.id.indices]))
  }

  private mutating func takeTimer(_ record: Record, _ batch: RecordBatch) {
    guard let timer = FiredTimer(record, in: batch) else { return }
    let id = Array(batch.bytes[record.envelope.id.indices])
    var node = ImpactNode(.timer, record, in: batch, topic: topic(record), under: nil)
    node.name = timer.purpose
    node.state = "fired"
    node.detail = "due \(timer.due)"
    if instances.has(timer.saga, timer.key) {
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
    return growth.add(node, id: Array(node.id.utf8))
  }

  /// What set a timer: the timeout of a step counts from the moment in which its command was sent. Of others
  /// it is known only that they are the instance's, so they stand under what began it.
  func setter(of timer: FiredTimer) -> Int? {
    let saga = catalog.sagas.values.first { $0.identityName == timer.saga }
    if let step = timer.step, let timeout = saga?.plan.steps.first(where: { $0.name == step })?.timeout {
      let set = timer.due.microseconds - Int64(timeout / .microseconds(1))
      let source = Array(timer.saga.utf8)
      let sent = growth.nodes.last {
        $0.kind == .command && $0.source == source && $0.timeMicroseconds == set && $0.parent != nil
      }
      if let parent = sent?.parent { return parent }
      if let waits = growth.nodes.lastIndex(where: { $0.kind == .event && $0.timeMicroseconds == set }) {
        return waits
      }
    }
    return instances.began(timer.saga, timer.key).flatMap { growth.node(at: $0) }
  }

  private mutating func takeDecision(_ record: Record, _ batch: RecordBatch) {
    let decision = Decision(record, in: batch)
    for position in decision.positions {
      guard let parent = growth.node(at: position) else { continue }
      var node = ImpactNode(.decision, record, in: batch, topic: topic(record), under: parent)
      node.name = decision.action.rawValue
      node.id = ""
      node.detail = decision.reason
      growth.add(node)
    }
  }
}
