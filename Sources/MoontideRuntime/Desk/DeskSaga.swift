import MoontideCore
import MoontideJSON
import MoontideLua

/// Calls of a saga's functions, as the runtime makes them: what they return and what they ask for is told.
struct DeskSaga {
  private let desk: HandlerDesk
  private let saga: SagaDefinition

  init(_ desk: HandlerDesk, _ saga: SagaDefinition) {
    self.desk = desk
    self.saga = saga
  }

  /// - Parameters:
  ///   - first: an event for `correlate` and `initial`, else the state.
  ///   - second: the result of a step, why it was compensated, or the event of a reaction.
  func call(
    _ function: DeskFunction.SagaFunction, _ first: JSONValue?, _ second: JSONValue?
  ) throws(Diagnostic) -> [UInt8] {
    let takesEvent = isOfEvent(function)
    let nothing = JSONValue.object([.init("type", .string("nothing"))])
    let argument = takesEvent ? first : isReaction(function) ? second : second ?? nothing
    let why = function == .compensated ? second : nil
    let events = try desk.event(function == .compensated ? nothing : argument) { () throws(Diagnostic) in
      try desk.viewer(of: saga.name)
    }
    guard let event = events.first else { throw DeskEvent.wrong("\(saga.name) does not see that event") }
    do throws(LuaFault) {
      let host = SagaHost(saga, catalog: desk.catalog, surroundings: desk.surroundings)
      let program = try SagaProgram(saga, catalog: desk.catalog, host: host)
      let time = EventTime(microseconds: event.record.envelope.timeMicroseconds)
      let key = event.batch.bytes[event.record.envelope.key.indices]
      host.begin(
        event.record, in: event.batch, topic: event.topic, key: Array(key), time: time, trace: Array(key),
        depth: 0, ordinal: 0)
      let occasion = LuaOccasion(
        event.record, in: event.batch, topic: Array(event.topic.text.utf8),
        seed: HandlerDesk.seed(saga.identityName, event.topic))
      return try withExtendedLifetime(host) { () throws(LuaFault) in
        try run(function, program, host, takesEvent ? nil : first, occasion, second != nil, why)
      }
    } catch { throw desk.failure(error, "saga \(saga.name) failed") }
  }

  private func isOfEvent(_ function: DeskFunction.SagaFunction) -> Bool {
    switch function {
    case .correlate, .initial: true
    default: false
    }
  }

  private func isReaction(_ function: DeskFunction.SagaFunction) -> Bool {
    if case .react = function { return true }
    return false
  }

  private func run(
    _ function: DeskFunction.SagaFunction, _ program: SagaProgram, _ host: SagaHost, _ state: JSONValue?,
    _ occasion: LuaOccasion, _ hasResult: Bool, _ why: JSONValue?
  ) throws(LuaFault) -> [UInt8] {
    var bytes = DeskValue.json(state ?? .object([]))
    let lua = program.state
    switch function {
    case .correlate(let index):
      guard let function = program.correlate[index] else {
        return DeskValue.json(.string("the field \(saga.correlations[index].field ?? "")"))
      }
      guard let value = try lua.correlate(function, occasion) else { return [] }
      return DeskValue.json(.string(String(decoding: value, as: UTF8.self)))
    case .initial: return try lua.beginSaga(program.initial, occasion)
    case .send(let index):
      guard let function = program.send[index] else { return [] }
      return commands(try lua.send(function, &bytes, occasion))
    case .compensate(let index):
      guard let function = program.compensate[index] else { return [] }
      return commands(try lua.compensate(function, &bytes, result: hasResult, occasion))
    case .completed:
      guard let function = program.completed else { return [] }
      return commands(try lua.send(function, &bytes, occasion))
    case .compensated:
      guard let function = program.compensated else { return [] }
      return commands(try lua.conclude(function, &bytes, why: reasons(why), occasion))
    case .react(let index):
      try lua.react(program.reactions[index], &bytes, occasion)
      return asked(bytes, host)
    case .timer(let name):
      guard let function = program.timers[name] else { return [] }
      try lua.fire(function, &bytes, occasion)
      return asked(bytes, host)
    }
  }

  private func reasons(_ why: JSONValue?) -> [(name: String, text: String)] {
    guard case .object(let members)? = why else { return [("reason", why?.text ?? "")] }
    return members.compactMap { member in DeskEvent.text(member.value).map { (member.name, $0) } }
  }

  private func commands(_ made: [RowBuffer]) -> [UInt8] {
    DeskValue.json(.array(made.map { DeskValue.made($0, DeskValue.emitted) }))
  }

  /// The state after it, and what it asked for by `ctx`.
  private func asked(_ state: [UInt8], _ host: SagaHost) -> [UInt8] {
    var wishes =
      host.made.map { DeskTransaction.emitted($0) } + host.effects.map { DeskTransaction.effect($0) }
    for wish in host.wishes {
      switch wish {
      case .timer(let name, let delay):
        wishes.append(
          DeskValue.object([
            ("does", .string("timer")), ("name", .string(name)),
            ("seconds", delay.map { .number($0 / .seconds(1)) }),
          ]))
      case .compensate(let reason):
        wishes.append(DeskValue.object([("does", .string("compensate")), ("reason", .string(reason))]))
      case .complete: wishes.append(DeskValue.object([("does", .string("complete"))]))
      }
    }
    return DeskValue.json(
      DeskValue.object([("state", DeskValue.state(state)), ("asks", .array(wishes))]))
  }
}
