import MoontideCore

/// What a handler's file says, and the log up to the durable end: enough to judge it.
struct HandlerEvidence {
  var name: String
  var ledger: HandlerLedger
  var deadPositions: [UInt64]
  /// Emitted, and not noted as relayed.
  var outbox: [OutboxEvent]
  /// Rows of the tables that the handler has, cells joined with `|`, by table.
  var rows: [String: [String]]
  var records: [LogWitness.Seen]
  /// The version of the script that a read model was made for.
  var scriptVersion = ""
  /// Tables whose digest beside the read model is not that of its rows, though it speaks of the same place.
  var unsealed: [String] = []

  /// What the log has of decisions about it.
  var decisions: [DecisionNote] { DecisionNote.all(of: name, in: records) }

  /// Stored types that concern it, upcasters considered.
  private var types: Set<String> {
    switch name {
    case "arrivals": ["Receipt"]
    case "till": ["Deposited", "Withdrawn", "Swept", "Noted"]
    case "clerk": ["Withdrawn", "Swept"]
    case "checkout": ["OrderCreated", "StockReserved", "PaymentCompleted", "PaymentFailed", "GiftWrapped"]
    case "reminder": ["OrderCreated", "PaymentRequested", "OrderConfirmed", "OrderCancelled"]
    case "herald": ["OrderCreated", "OrderConfirmed", "OrderCancelled"]
    default: ["Paid"]
    }
  }

  /// The events that it subscribes to.
  var matched: [LogWitness.Seen] {
    let types = types
    return records.filter { $0.kind == .event && types.contains($0.type) && !$0.topic.hasPrefix("_") }
  }

  /// Positions of what is accounted for: those events, and results of its effects.
  var published: Set<UInt64> {
    Set(matched.map(\.position)).union(
      records.filter { $0.kind == .result && $0.source == name }.map(\.position))
  }

  /// The checkpoint of the partition in which a record lies.
  func checkpoint(_ record: LogWitness.Seen) -> UInt64 {
    guard let topic = TopicName(record.topic) else { return 0 }
    return ledger.checkpoints[TopicPartition(topic: topic, partition: record.partition)]?.value ?? 0
  }

  func isBelow(_ record: LogWitness.Seen) -> Bool { record.position < checkpoint(record) }
}
