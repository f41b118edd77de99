import MoontideCore
import MoontideJSON

/// Notes what one call of a handler would write, and keeps nothing: a projection's rows go into a copy that
/// is rolled back, what a consumer asks for goes nowhere. One call, one thread.
final class DeskTransaction: EffectTransaction {
  /// What it would do, in order.
  private(set) var changes: [JSONValue] = []
  private let rows: (any EffectTransaction)?
  private let tables: [StoreTable]
  private let load: (TopicName, [UInt8]) throws(StoreError) -> [UInt8]?

  /// - Parameters:
  ///   - rows: over a copy of the read model; nil for what has no rows.
  ///   - load: the state that a consumer keeps of a key.
  init(
    rows: (any EffectTransaction)?, tables: [StoreTable],
    load: @escaping (TopicName, [UInt8]) throws(StoreError) -> [UInt8]?
  ) {
    self.rows = rows
    self.tables = tables
    self.load = load
  }

  var timeLeft: Duration {
    get { rows?.timeLeft ?? Limits.handlerTimeDefault }
    set { rows?.timeLeft = newValue }
  }
  var isLost: Bool { rows?.isLost ?? false }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    guard let rows else { throw .refused("there are no rows here") }
    if operation == .get || operation == .each {
      return try rows.row(operation, table: table, arguments: arguments, result: result)
    }
    let key = Self.key(of: operation, tables[table], arguments)
    let before = try row(key, table, rows)
    let isDone = try rows.row(operation, table: table, arguments: arguments, result: result)
    let after = try row(key, table, rows)
    let given = key == nil ? DeskValue.row(arguments, tables[table].columns) : nil
    let isSame = before != nil && before == after
    changes.append(
      DeskValue.object([
        ("does", .string("\(operation)")), ("table", .string(tables[table].name)),
        ("before", isSame ? nil : Self.differing(before, from: after)), ("after", after ?? given),
        ("same", isSame ? .boolean(true) : nil), ("found", isDone ? nil : .boolean(false)),
      ]))
    return isDone
  }

  /// The columns of a row that are others now; all of them when the row is gone.
  private static func differing(_ before: JSONValue?, from after: JSONValue?) -> JSONValue? {
    guard case .object(let members)? = before, let after else { return before }
    return .object(members.filter { after[$0.name] != $0.value })
  }

  /// The key that an operation names; nil for a table without one, or when it leaves the key to its default.
  private static func key(
    of operation: RowOperation, _ table: StoreTable, _ arguments: RowBuffer
  ) -> RowBuffer? {
    guard !table.keyColumns.isEmpty else { return nil }
    let places = operation == .put ? table.keyColumns : Array(table.keyColumns.indices)
    let key = RowBuffer()
    key.bytes = arguments.bytes
    key.cells = places.map { arguments.cells[$0] }
    return key.cells.contains { $0.kind == .absent } ? nil : key
  }

  private func row(
    _ key: RowBuffer?, _ table: Int, _ rows: any EffectTransaction
  ) throws(StoreError) -> JSONValue? {
    guard let key else { return nil }
    let found = RowBuffer()
    guard try rows.row(.get, table: table, arguments: key, result: found) else { return nil }
    return DeskValue.row(found, tables[table].columns)
  }

  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    guard let rows else { throw .refused("there are no rows here") }
    let names = try rows.sql(text, arguments: arguments, result: result)
    let first = text.split(whereSeparator: { !$0.isLetter }).first?.lowercased() ?? ""
    if !["select", "with", "values"].contains(first) {
      changes.append(DeskValue.object([("does", .string("exec")), ("sql", .string(text))]))
    }
    return names
  }

  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? { try load(topic, key) }

  func write(_ entry: EffectEntry) throws(StoreError) {
    switch entry {
    case .state(let topic, let key, let value):
      changes.append(
        DeskValue.object([
          ("does", .string("state")), ("key", .string(String(decoding: key, as: UTF8.self))),
          ("before", DeskValue.state(try load(topic, key))), ("after", DeskValue.state(value)),
        ]))
    case .emit(let event): changes.append(Self.emitted(event))
    case .effect(.recorded(let effect)): changes.append(Self.effect(effect))
    default: break
    }
  }

  /// A command is one that goes to the topic of commands.
  static func emitted(_ event: OutboxEvent) -> JSONValue {
    func text(_ bytes: [UInt8]) -> JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }
    let isCommand = event.topic == .commands
    return DeskValue.object([
      ("does", .string(isCommand ? "send" : "emit")), ("type", text(event.type)),
      ("topic", isCommand ? nil : .string(event.topic.text)), ("key", text(event.key)),
      ("id", text(event.id)),
      ("version", .integer(Int64(event.version))), ("time", text(event.time)),
      ("data", DeskValue.json(event.data, ByteRange(start: 0, count: event.data.count))),
    ])
  }

  static func effect(_ effect: LedgerEffect) -> JSONValue {
    let shown = EffectTemplate(effect.request).shown
    return DeskValue.object([
      ("does", .string("effect")), ("kind", .string(effect.kind.rawValue)),
      ("target", .string(effect.target)), ("key", .string(effect.key)),
      ("request", DeskValue.json(shown, ByteRange(start: 0, count: shown.count))),
    ])
  }

  func savepoint() throws(StoreError) { try rows?.savepoint() }
  func rollbackToSavepoint() throws(StoreError) { try rows?.rollbackToSavepoint() }
  /// Nothing is ever kept.
  func commit() throws(StoreError) { try rollback() }
  func rollback() throws(StoreError) { try rows?.rollback() }
}
