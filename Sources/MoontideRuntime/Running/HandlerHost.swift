import MoontideCore
import MoontideLua

/// Answers what a running script asks: passes rows and state to the transaction, and checks what is emitted.
/// Belongs to one lane and its thread.
final class HandlerHost: LuaHost {
  /// Set while a batch runs.
  var transaction: (any EffectTransaction)?
  var timeLeft = Limits.handlerTimeDefault
  /// Why the store failed in a way that is not the script's fault; the worker looks here first.
  var storeError: StoreError?
  private let definition: HandlerDefinition
  private let catalog: ProjectCatalog
  private let surroundings: HandlerSurroundings
  private var batch: RecordBatch
  /// The event as the script sees it.
  private(set) var record: Record?
  /// The identity of the stored event that it comes from: what it causes is named after that one.
  private var storedID = ByteRange.empty
  /// Its key: that of the state, since what runs in order, and in one lane, are the stored events of one key.
  private var storedKey = ByteRange.empty
  /// Of the current event.
  var topic: TopicName = .events
  /// How many events the current one has emitted.
  private(set) var emitted = 0
  /// How many effects it has caused.
  private var effects = 0
  private var printed = 0
  /// Fields that were asked for in vain and told already, as type and name.
  private var told: Set<[UInt8]> = []

  init(_ definition: HandlerDefinition, catalog: ProjectCatalog, surroundings: HandlerSurroundings) {
    self.definition = definition
    self.catalog = catalog
    self.surroundings = surroundings
    batch = RecordBatch()
  }

  /// Before each stored event.
  func begin(_ record: Record, in batch: RecordBatch) {
    if self.batch !== batch { self.batch = batch }
    self.record = record
    storedID = record.envelope.id
    storedKey = record.envelope.key
    emitted = 0
    effects = 0
    printed = 0
  }

  /// Before each event that upcasters made of the stored one.
  func see(_ record: Record) { self.record = record }

  /// The transaction while an event runs; a script cannot call outside of one.
  private func open() throws(HostRefusal) -> any EffectTransaction {
    guard let transaction else {
      throw HostRefusal(code: RuntimeCode.storeRefused.rawValue, message: "no event is being handled")
    }
    return transaction
  }

  @inline(never)
  private func refusal(_ error: StoreError) -> HostRefusal {
    switch error {
    case .refused(let text): return HostRefusal(code: RuntimeCode.storeRefused.rawValue, message: text)
    case .constraint(let text): return HostRefusal(code: RuntimeCode.constraint.rawValue, message: text)
    case .foldedConstraint, .full, .exhausted, .damaged, .io:
      storeError = error
      return HostRefusal(code: RuntimeCode.storeBroken.rawValue, message: "the store failed", fatal: true)
    }
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(HostRefusal) -> Bool {
    let transaction = try open()
    if operation == .each { transaction.timeLeft = timeLeft }
    do throws(StoreError) {
      return try transaction.row(operation, table: table, arguments: arguments, result: result)
    } catch {
      throw refusal(error)
    }
  }

  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) -> [String] {
    let transaction = try open()
    transaction.timeLeft = timeLeft
    do throws(StoreError) {
      return try transaction.sql(text, arguments: arguments, result: result)
    } catch {
      throw refusal(error)
    }
  }

  func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool {
    let transaction = try open()
    do throws(StoreError) {
      guard let state = try transaction.state(topic: topic, key: key) else { return false }
      buffer.bytes.append(contentsOf: state)
      return true
    } catch {
      throw refusal(error)
    }
  }

  func saveState(_ value: [UInt8]?) throws(HostRefusal) {
    try write(.state(topic: topic, key: key, value: value))
  }

  func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    try keep(result) { (emission) throws(HostRefusal) in try emission.event(event) }
  }

  func send(_ command: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    try keep(result) { (emission) throws(HostRefusal) in try emission.command(command) }
  }

  private func keep(
    _ result: RowBuffer, _ make: (Emission) throws(HostRefusal) -> OutboxEvent
  ) throws(HostRefusal) {
    guard var record else { return }
    record.envelope.id = storedID
    let made = try make(
      Emission(
        maker: definition.identityName, catalog: catalog, cause: record, batch: batch, topic: topic,
        ordinal: emitted))
    try write(.emit(made))
    emitted += 1
    result.removeAll()
    result.append(text: String(decoding: made.id, as: UTF8.self))
  }

  func effect(_ kind: String, request: [UInt8], result: RowBuffer) throws(HostRefusal) {
    guard var record else { return }
    record.envelope.id = storedID
    var made = try Emission(
      maker: definition.identityName, catalog: catalog, cause: record, batch: batch, topic: topic,
      ordinal: effects
    ).effect(kind, request, rules: catalog.defaults.effects)
    made.scriptVersion = definition.scriptVersion
    try write(.effect(.recorded(made)))
    effects += 1
    result.removeAll()
    result.append(text: made.key)
  }

  func environment(_ name: String) throws(HostRefusal) { try catalog.defaults.effects.allow(name) }

  func print(_ text: [UInt8]) {
    guard let record, printed < Limits.printBytesMax else { return }
    let kept = text.prefix(Limits.printBytesMax - printed)
    printed += max(1, kept.count)
    surroundings.print(
      definition.name, "\(topic)/\(record.partition)@\(record.offset) (\(record.position))",
      String(decoding: kept, as: UTF8.self))
  }

  func missing(field: [UInt8], type: [UInt8]) {
    guard told.count < Limits.typesRememberedMax, told.insert(type + [0] + field).inserted else { return }
    let name = String(decoding: field, as: UTF8.self)
    let type = String(decoding: type, as: UTF8.self)
    // A function for many types may well ask each for what only some have.
    guard definition.subscriptions.contains(type), isOfOneType(type) else { return }
    surroundings.missed(
      MissedField(
        handler: "\(definition.kind.rawValue) \(definition.name)", field: name, type: type,
        place: place(ofField: name)))
  }

  /// Whether the function of a type is written for it alone: `on = { Type = function …`, or a name that no
  /// other type has.
  private func isOfOneType(_ type: String) -> Bool {
    guard let script = catalog.scripts.tokens(definition.path),
      let outline = TableOutline(
        kind: definition.kind.rawValue, name: definition.name, line: definition.place.line, in: script),
      let field = outline.field(["on", type])
    else { return false }
    let value = script.tokens[field.valueToken]
    guard value.kind == .name, !script.isSymbol(field.valueToken, "function") else { return true }
    let name = script.text(value)
    return !definition.subscriptions.contains { other in
      guard other != type, let field = outline.field(["on", other]) else { return false }
      return script.names(script.tokens[field.valueToken], name)
    }
  }

  /// Where the definition asks for it, as far as its tokens tell: `.name` behind the definition's beginning.
  private func place(ofField name: String) -> SourcePlace {
    guard let script = catalog.scripts.tokens(definition.path) else { return definition.place }
    let index = script.tokens.indices.first { index in
      script.tokens[index].line >= definition.place.line && script.isSymbol(index - 1, ".")
        && script.names(script.tokens[index], name)
    }
    return index.map { script.place(of: script.tokens[$0], label: "never there") } ?? definition.place
  }

  private var key: [UInt8] { Array(batch.bytes[storedKey.indices]) }

  private func write(_ entry: EffectEntry) throws(HostRefusal) {
    let transaction = try open()
    do throws(StoreError) {
      try transaction.write(entry)
    } catch {
      throw refusal(error)
    }
  }
}
