/// How `sys.events` answers a query, as a number that SQLite hands on.
struct EventsChoice: RawRepresentable {
  var rawValue: Int32
  init(rawValue: Int32 = 0) { self.rawValue = rawValue }

  private enum Bit {
    static let backward: Int32 = 1
    static let counting: Int32 = 2
    static let once: Int32 = 4
    static let typeFirst: Int32 = 8
    static let topicDescends: Int32 = 16
    static let typeDescends: Int32 = 32
  }

  private subscript(bit: Int32) -> Bool {
    get { rawValue & bit != 0 }
    set { rawValue = newValue ? rawValue | bit : rawValue & ~bit }
  }

  /// The last position first.
  var isBackward: Bool {
    get { self[Bit.backward] }
    set { self[Bit.backward] = newValue }
  }
  /// Nothing but topic and type is asked for: rows come from counts, sorted by both.
  var isCounting: Bool { self[Bit.counting] }
  /// One row a topic and type, instead of one an event.
  var isOnce: Bool { self[Bit.once] }
  var isTypeFirst: Bool { self[Bit.typeFirst] }
  var topicDescends: Bool { self[Bit.topicDescends] }
  var typeDescends: Bool { self[Bit.typeDescends] }

  /// Nil for a query that asks for more than topic and type.
  init?(counting question: SystemQuestion) {
    self.init(rawValue: Bit.counting)
    let known: UInt64 = 1 << UInt64(EventsTable.Column.topic) | 1 << UInt64(EventsTable.Column.type)
    guard question.columnsUsed & ~known == 0 else { return nil }
    for (index, term) in question.order.enumerated() {
      switch term.column {
      case EventsTable.Column.topic: if term.isDescending { self[Bit.topicDescends] = true }
      case EventsTable.Column.type:
        if term.isDescending { self[Bit.typeDescends] = true }
        if index == 0 { self[Bit.typeFirst] = true }
      default: return nil
      }
    }
    // The same column twice would be sorted by its first direction; nobody asks so.
    guard Set(question.order.map(\.column)).count == question.order.count else { return nil }
    self[Bit.once] = question.isDistinct && !question.order.isEmpty
  }
}
