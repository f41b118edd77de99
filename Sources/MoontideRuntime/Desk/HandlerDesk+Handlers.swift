import MoontideCore
import MoontideJSON
import MoontideLua

/// Calls of projections, consumers and deciders: by the production code, with its budget.
extension HandlerDesk {
  // MARK: Projections and consumers

  /// What the handler would do with an event, as a list of changes.
  func handle(
    _ definition: HandlerDefinition, _ index: Int, _ argument: JSONValue?
  ) throws(Diagnostic) -> [UInt8] {
    let type = definition.subscriptions[index]
    let events = try event(argument) { () throws(Diagnostic) in try viewer(of: definition.name) }
    guard !events.isEmpty else {
      throw DeskEvent.wrong("\(definition.name) does not see that event: it handles other types")
    }
    var changes: [JSONValue] = []
    for event in events { changes += try handle(definition, index, type, event) }
    return DeskValue.json(.array(changes))
  }

  private func handle(
    _ definition: HandlerDefinition, _ index: Int, _ type: String,
    _ event: (record: Record, batch: RecordBatch, topic: TopicName)
  ) throws(Diagnostic) -> [JSONValue] {
    let what = "\(definition.kind.rawValue) \(definition.name) failed on \(type)"
    let isProjection = definition.kind == .projection
    let store = isProjection ? try services.store(of: definition) : nil
    let transaction: DeskTransaction
    do throws(StoreError) {
      transaction = DeskTransaction(rows: try store?.begin(folding: false), tables: store?.tables ?? []) {
        [services] topic, key throws(StoreError) in
        do throws(Diagnostic) { return try services.state(of: definition, topic: topic, key: key) } catch {
          throw .refused(error.title)
        }
      }
    } catch { throw DeskEvent.wrong("\(what): \(error)") }
    defer { roll(back: transaction) }
    do throws(LuaFault) {
      var known = definition
      if let store { known.tables = store.tables }
      let (program, host) = try program(known)
      host.topic = event.topic
      host.begin(event.record, in: event.batch)
      host.transaction = transaction
      defer { host.transaction = nil }
      try program.state.handle(
        program.functions[index], isProjection ? .projection : .consumer, record: event.record,
        in: event.batch, topic: Array(event.topic.text.utf8),
        seed: Self.seed(definition.identityName, event.topic))
    } catch { throw failure(error, what) }
    return transaction.changes
  }

  /// What cannot be rolled back is a copy that is thrown away.
  private func roll(back transaction: DeskTransaction) {
    do throws(StoreError) { try transaction.rollback() } catch {
      services.print("note: the copy of the read model is lost: \(error)")
    }
  }

  private func program(
    _ definition: HandlerDefinition
  ) throws(LuaFault) -> (program: HandlerProgram, host: HandlerHost) {
    if let known = programs[definition.name], !known.program.state.isSpent { return known }
    let host = HandlerHost(definition, catalog: catalog, surroundings: surroundings)
    let made = (try HandlerProgram(definition, catalog: catalog, host: host), host)
    programs[definition.name] = made
    return made
  }

  // MARK: Deciders

  /// The events of a decision, or `{ rejected = code, text = … }`.
  func decide(
    _ decider: DeciderDefinition, _ type: String, command: JSONValue?, state: JSONValue?
  ) throws(Diagnostic) -> [UInt8] {
    guard case .object(let given)? = command else {
      throw DeskEvent.wrong("a command is a table: commands.\(type) { … }, then perhaps the state")
    }
    var members = given.filter { $0.name != "type" && $0.name != "topic" }
    members.append(.init("type", .string(type)))
    let made = try DeskEvent(.object(members), version: catalog.newestVersion(ofType:), now: clock.now)
    let (topic, seed) = place(of: decider)
    do throws(LuaFault) {
      let program = try program(decider)
      guard let function = program.decide[type] else { return [] }
      let verdict = try program.state.decide(
        function, initial: program.initial, before: state.map(DeskValue.json), command: made.record,
        in: made.batch, topic: topic, seed: seed)
      switch verdict {
      case .accepted(let events):
        return DeskValue.json(.array(events.map { DeskValue.made($0, DeskValue.emitted) }))
      case .rejected(let code, let text):
        return DeskValue.json(.object([.init("rejected", .string(code)), .init("text", .string(text))]))
      }
    } catch { throw failure(error, "decider \(decider.name) failed on \(type)") }
  }

  /// The state after an event; without one the state of a new stream.
  func evolve(
    _ decider: DeciderDefinition, _ index: Int?, state: JSONValue?, event: JSONValue?
  ) throws(Diagnostic) -> [UInt8] {
    let nothing = JSONValue.object([.init("type", .string("nothing"))])
    let argument = index == nil ? nothing : event
    let events = try self.event(argument) { () throws(Diagnostic) in try viewer(of: nil) }
    guard let made = events.first else { throw DeskEvent.wrong("upcasters leave nothing of that event") }
    let (topic, seed) = place(of: decider)
    do throws(LuaFault) {
      let program = try program(decider)
      return try program.state.evolve(
        index.map { program.evolve[$0] }, initial: program.initial, before: state.map(DeskValue.json),
        event: made.record, in: made.batch, topic: topic, seed: seed)
    } catch { throw failure(error, "decider \(decider.name) failed") }
  }

  private func place(of decider: DeciderDefinition) -> (topic: [UInt8], seed: Digest) {
    (Array(decider.topic.text.utf8), Self.seed(decider.identityName, decider.topic))
  }

  private func program(_ decider: DeciderDefinition) throws(LuaFault) -> DeciderProgram {
    if let known = deciders[decider.name], !known.state.isSpent { return known }
    let host = DeciderHost(decider, surroundings: surroundings)
    // The state does not keep its host alive.
    hosts.append(host)
    let made = try DeciderProgram(decider, catalog: catalog, host: host)
    deciders[decider.name] = made
    return made
  }
}
