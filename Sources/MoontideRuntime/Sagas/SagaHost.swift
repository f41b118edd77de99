import MoontideCore
import MoontideJSON
import MoontideLua

/// Answers a saga's script, and gathers what it makes for one input of one instance. Belongs to the saga's
/// thread.
///
/// Commands and events are named after the record that is handled, as those of a consumer are. They carry the
/// correlation id of the instance, so that what they cause can be brought back to it.
final class SagaHost: LuaHost {
  /// What `ctx` asked for beside commands and events.
  enum Wish {
    /// Without a delay it is no more.
    case timer(String, Duration?)
    case compensate(String)
    case complete
  }

  /// Nothing that it may ask for takes time.
  var timeLeft = Duration.zero
  private let definition: SagaDefinition
  private let catalog: ProjectCatalog
  private let surroundings: HandlerSurroundings
  /// What was made since `begin`, in order.
  private(set) var made: [OutboxEvent] = []
  private(set) var wishes: [Wish] = []
  /// Effects that were asked for since `begin`, in order.
  private(set) var effects: [LedgerEffect] = []
  /// Ids of commands that `ctx.send` sent since they were taken.
  private var sent: [[UInt8]] = []
  private let causes = RecordBatch()
  private var cause: Record?
  private var first = 0
  private var firstEffect = 0
  private var key: [UInt8] = []
  private var topic: TopicName = .events
  private var coordinates = ""
  private var printed = 0
  private var told: Set<[UInt8]> = []

  init(_ definition: SagaDefinition, catalog: ProjectCatalog, surroundings: HandlerSurroundings) {
    self.definition = definition
    self.catalog = catalog
    self.surroundings = surroundings
  }

  /// Before each input.
  /// - Parameters:
  ///   - cause: names what is made; of `batch`.
  ///   - topic: where emitted events go that name none.
  ///   - time: what is made has it unless it says otherwise.
  ///   - ordinal: how much was made for the same cause before.
  ///   - effects: how many effects it had before.
  func begin(
    _ cause: Record, in batch: RecordBatch, topic: TopicName, key: [UInt8], time: EventTime, trace: [UInt8],
    depth: Int, ordinal: Int, effects: Int = 0
  ) {
    first = ordinal
    firstEffect = effects
    self.effects.removeAll()
    self.key = key
    made.removeAll()
    wishes.removeAll()
    sent.removeAll()
    printed = 0
    self.topic = topic
    coordinates = "\(String(decoding: key, as: UTF8.self)) (\(cause.position))"
    causes.removeAll()
    func add(_ part: [UInt8]) -> ByteRange {
      causes.bytes.appendPart(part, ByteRange(start: 0, count: part.count))
    }
    var envelope = cause.envelope
    envelope.id = causes.bytes.appendPart(batch.bytes, cause.envelope.id)
    envelope.source = causes.bytes.appendPart(batch.bytes, cause.envelope.source)
    let isEvent = cause.envelope.kind == .event
    envelope.key = isEvent ? causes.bytes.appendPart(batch.bytes, cause.envelope.key) : add(key)
    envelope.time =
      isEvent && !cause.envelope.time.isEmpty
      ? causes.bytes.appendPart(batch.bytes, cause.envelope.time) : add(Array(time.description.utf8))
    envelope.timeMicroseconds = time.microseconds
    var meta = Array("{\"correlationid\":".utf8)
    JSONWriter.appendString(String(decoding: trace, as: UTF8.self), to: &meta)
    if let traceparent = JSONFields.value("traceparent", batch.bytes, cause.envelope.meta) {
      meta += Array(",\"traceparent\":".utf8) + batch.bytes[traceparent.indices]
    }
    meta += Array(",\"causationdepth\":\(depth)}".utf8)
    envelope.meta = add(meta)
    var record = cause
    record.envelope = envelope
    self.cause = record
  }

  func takeWishes() -> [Wish] {
    defer { wishes.removeAll() }
    return wishes
  }

  func takeSent() -> [[UInt8]] {
    defer { sent.removeAll() }
    return sent
  }

  /// The commands that a step returned; gives their ids.
  /// - Parameter done: places of those that are not sent again.
  func take(_ commands: [RowBuffer], without done: [Int] = []) throws(LuaFault) -> [[UInt8]] {
    guard commands.count <= Limits.sagaCommandsMax else {
      throw LuaFault(
        kind: .refused(code: RuntimeCode.emitTooMany.rawValue),
        message: "a step of a saga returns at most \(Limits.sagaCommandsMax) commands")
    }
    var ids: [[UInt8]] = []
    do throws(HostRefusal) {
      for (place, fields) in commands.enumerated() where !done.contains(place) {
        ids.append(try command(fields))
      }
    } catch {
      throw LuaFault(kind: .refused(code: error.code), message: error.message)
    }
    return ids
  }

  private func emission(ordinal: Int? = nil) throws(HostRefusal) -> Emission {
    guard let cause else {
      throw HostRefusal(code: RuntimeCode.storeRefused.rawValue, message: "nothing is being handled")
    }
    return Emission(
      maker: definition.identityName, catalog: catalog, cause: cause, batch: causes, topic: topic,
      ordinal: ordinal ?? first + made.count)
  }

  private func command(_ fields: RowBuffer) throws(HostRefusal) -> [UInt8] {
    let command = try emission().command(fields)
    if made.contains(where: { $0.topic == .commands && $0.id == command.id }) {
      throw Self.sentTwice(command.id)
    }
    made.append(command)
    return command.id
  }

  /// A command that was sent before has its outcome, and gets no other: whoever waits for one waits for ever.
  static func sentTwice(_ id: [UInt8]) -> HostRefusal {
    HostRefusal(
      code: RuntimeCode.emitRefused.rawValue,
      message:
        "a command of the id \(String(decoding: id, as: UTF8.self)) was sent before: leave `id` out, or "
        + "make it anew for each try")
  }

  // MARK: What `ctx` asks

  func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    let event = try emission().event(event)
    made.append(event)
    result.append(text: String(decoding: event.id, as: UTF8.self))
  }

  func send(_ fields: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    let id = try command(fields)
    sent.append(id)
    result.append(text: String(decoding: id, as: UTF8.self))
  }

  func act(_ verb: SagaVerb, _ arguments: RowBuffer) throws(HostRefusal) {
    guard wishes.count < Limits.sagaActionsMax else {
      throw HostRefusal(
        code: RuntimeCode.emitTooMany.rawValue,
        message: "one event sets at most \(Limits.sagaActionsMax) timers")
    }
    switch verb {
    case .compensate: wishes.append(.compensate(arguments.text(0) ?? ""))
    case .complete: wishes.append(.complete)
    case .timer:
      let name = arguments.text(0) ?? ""
      guard definition.timers.contains(name) else {
        let near = Suggestion.nearest(to: name, among: definition.timers)
        throw HostRefusal(
          code: RuntimeCode.emitRefused.rawValue,
          message: "ctx.timer needs a function of that name in `timers`, and there is none for \"\(name)\""
            + (near.map { " (did you mean \"\($0)\"?)" } ?? ""))
      }
      guard arguments.cells[1].kind != .absent else { return wishes.append(.timer(name, nil)) }
      let text = arguments.text(1) ?? ""
      guard let delay = DurationText.parse(text), delay > .zero else {
        throw HostRefusal(
          code: RuntimeCode.emitRefused.rawValue,
          message:
            "the delay of a timer is such as \"200ms\", \"2s\", \"15m\", \"1h\", \"30d\", not \"\(text)\"")
      }
      wishes.append(.timer(name, delay))
    }
  }

  /// Effects of one instance are performed in order, and their results come back to it.
  func effect(_ kind: String, request: [UInt8], result: RowBuffer) throws(HostRefusal) {
    let ordinal = firstEffect + effects.count
    var made = try emission(ordinal: ordinal).effect(kind, request, rules: catalog.defaults.effects)
    made.topic = .instances
    made.orderKey = key
    made.scriptVersion = definition.handler.scriptVersion
    effects.append(made)
    result.append(text: made.key)
  }

  func environment(_ name: String) throws(HostRefusal) { try catalog.defaults.effects.allow(name) }

  private var refusal: HostRefusal {
    HostRefusal(
      code: RuntimeCode.storeRefused.rawValue,
      message: "a saga has no ctx.state and no db: its state is the first argument of its functions")
  }

  func row(_ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer)
    throws(HostRefusal) -> Bool
  { throw refusal }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) -> [String] {
    throw refusal
  }
  func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool { throw refusal }
  func saveState(_ value: [UInt8]?) throws(HostRefusal) { throw refusal }

  func print(_ text: [UInt8]) {
    guard printed < Limits.printBytesMax else { return }
    let kept = text.prefix(Limits.printBytesMax - printed)
    printed += max(1, kept.count)
    surroundings.print(definition.name, coordinates, String(decoding: kept, as: UTF8.self))
  }

  func missing(field: [UInt8], type: [UInt8]) {
    guard told.count < Limits.typesRememberedMax, told.insert(type + [0] + field).inserted else { return }
    let type = String(decoding: type, as: UTF8.self)
    guard definition.handler.subscriptions.contains(type) else { return }
    surroundings.missed(
      MissedField(
        handler: "saga \(definition.name)", field: String(decoding: field, as: UTF8.self), type: type,
        place: definition.handler.place))
  }
}
