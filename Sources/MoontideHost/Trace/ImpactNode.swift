public import MoontideCore

/// One thing that an event caused, or the event itself.
public struct ImpactNode: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable {
    case event
    /// With its outcome.
    case command
    case outcome
    /// A row of a read model.
    case row
    /// How an instance of a saga went on.
    case saga
    /// Set, or fired.
    case timer
    /// With its result.
    case effect
    /// A handler failed on the event; or it waits behind one that failed.
    case dead, held
    /// What a person decided about it.
    case decision
    /// Any other record, of which one asks.
    case record
  }

  public var kind: Kind
  /// Of its record in the log; nil of what has none.
  public var position: Position?
  /// Index of what caused it; nil of the root.
  public var parent: Int?
  /// The type of an event or a command, the table of a row, the saga, the timer, the target of an effect.
  public var name: String
  /// Of the event, the row or the instance.
  public var key = ""
  public var id = ""
  /// Event time as written, or when a timer is due.
  public var time = ""
  /// `saga checkout`: who made it, or whose it is.
  public var handler = ""
  /// How it stands: `accepted`, `insert`, `done`, `pending` and so on.
  public var state = ""
  /// For people: why, or what changed.
  public var detail = ""
  /// Of the write of a row.
  public var file: String?
  public var line = 0
  public var changes: [RowWrite.Change] = []

  /// What it is looked up by while the tree grows.
  var source: [UInt8] = []
  var timeMicroseconds = Int64.min
  var topic = ""

  init(_ kind: Kind, at position: Position?, under parent: Int?, _ name: String) {
    self.kind = kind
    self.position = position
    self.parent = parent
    self.name = name
  }

  init(_ kind: Kind, _ record: Record, in batch: RecordBatch, topic: TopicName, under parent: Int?) {
    let event = EventName(record, in: batch, topic: topic)
    self.init(kind, at: record.position, under: parent, event.type)
    key = event.key
    id = event.id
    time = event.time
    source = Array(batch.bytes[record.envelope.source.indices])
    timeMicroseconds = record.envelope.timeMicroseconds
    self.topic = topic.text
  }

  /// One line for people.
  public var text: String {
    let place = position.map { "\($0) " } ?? ""
    let of = handler.isEmpty ? "" : ", \(handler)"
    let why = detail.isEmpty ? "" : ": \(detail)"
    switch kind {
    case .event, .record, .decision:
      return "\(place)\(name) \(key)\(of)" + (state.isEmpty ? "" : ", \(state)") + why
    case .command, .outcome:
      return "\(place)\(kind.rawValue) \(name) \(key)\(of), \(state.isEmpty ? "no outcome yet" : state)\(why)"
    case .row:
      let at = file.map { "  (\($0):\(line))" } ?? ""
      let written =
        changes.map { "\($0.column) \(RowWrite.text($0))" }.joined(separator: ", ")
      return "row \(name) \(key), \(state): " + (written.isEmpty ? "no column changed" : written) + at
    case .saga: return "saga \(name) \(key), \(state)\(why)"
    case .timer: return "\(place)timer \(name) \(key)\(of), \(state)\(why)"
    case .effect: return "\(place)effect \(name)\(of), \(state)\(why)"
    case .dead: return "dead letter \(id)\(of)\(why)"
    case .held: return "held for \(handler)\(why)"
    }
  }
}
