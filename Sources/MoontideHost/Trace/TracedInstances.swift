import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// The instances of sagas that belong to one chain of events, as their files have them now.
struct TracedInstances {
  /// By the saga's identity name.
  private var rows: [(saga: String, name: String, row: SagaRow)] = []
  private let correlation: [UInt8]

  init(_ session: TraceSession, correlation: [UInt8]) throws(Diagnostic) {
    self.correlation = correlation
    for saga in session.catalog.sagas.values.sorted(by: { $0.name < $1.name }) {
      guard let reader = try session.reader(of: saga.handler) else { continue }
      let found = try StoreError.told { () throws(StoreError) in
        try reader.sagas(traced: correlation, limit: Limits.impactInstancesMax)
      }
      rows += found.map { (saga.identityName, saga.name, $0) }
    }
  }

  /// Whether something is of the chain.
  func isTraced(_ correlation: [UInt8]?) -> Bool { correlation == self.correlation }

  func has(_ saga: String, _ key: [UInt8]) -> Bool {
    rows.contains { $0.saga == saga && $0.row.key == key }
  }

  /// Where an instance began.
  func began(_ saga: String, _ key: [UInt8]) -> Position? {
    rows.first { $0.saga == saga && $0.row.key == key }?.row.began
  }

  /// Puts under what the tree has how the instances went on, and which timers are set.
  func grow(_ scan: inout CausationScan) {
    for (saga, name, row) in rows {
      let key = String(decoding: row.key, as: UTF8.self)
      for (position, state, detail) in TracedInstances.marks(row) {
        guard let parent = scan.growth.node(at: position) else { continue }
        var node = ImpactNode(.saga, at: nil, under: parent, name)
        (node.key, node.state, node.detail) = (key, state, detail)
        scan.growth.add(node)
      }
      for timer in row.timers {
        let set = FiredTimer(saga: saga, timer)
        guard let parent = scan.setter(of: set) else { continue }
        var node = ImpactNode(.timer, at: nil, under: parent, timer.purpose)
        (node.key, node.state, node.handler) = (key, "set", "saga \(name)")
        node.time = set.due.description
        node.detail = "due \(set.due) by \(timer.clock == .event ? "event time" : "the clock")"
        scan.growth.add(node)
      }
    }
  }

  /// What the file says of single records: where it began, which said that a step was done, what came late.
  private static func marks(_ row: SagaRow) -> [(Position, state: String, detail: String)] {
    let now = row.reason.isEmpty ? row.status : "\(row.status) (\(row.reason))"
    var marks: [(Position, state: String, detail: String)] = [(row.began, "began", "it is \(now) now")]
    var body = JSONValue.null
    // What this version does not write it does not show.
    do throws(EnvelopeFault) { body = try JSONValue(parsing: row.body) } catch { body = .null }
    if case .array(let steps)? = body["steps"] {
      for step in steps {
        guard let result = position(step["result"]) else { continue }
        marks.append((result, "step done", step["name"]?.text ?? ""))
      }
    }
    if case .array(let notes)? = body["notes"] {
      for note in notes {
        guard let position = position(note["position"]) else { continue }
        marks.append((position, note["kind"]?.text ?? "", note["text"]?.text ?? ""))
      }
    }
    if row.hasEnded { marks.append((row.changed, row.status, row.reason)) }
    return marks
  }

  private static func position(_ value: JSONValue?) -> Position? {
    guard case .integer(let number)? = value, number >= 0 else { return nil }
    return Position(UInt64(number))
  }
}
