public import MoontideCore
import MoontideJSON
import MoontideLua

/// What the functions of the desk do.
extension HandlerDesk {
  func call(_ call: DeskFunction.Call, _ arguments: [JSONValue?]) throws(Diagnostic) -> [UInt8] {
    func argument(_ index: Int) -> JSONValue? { index < arguments.count ? arguments[index] : nil }
    switch call {
    case .event: return try seen(argument(0), by: argument(1)?.text)
    case .query: return try rows(argument(0))
    case .handle(let definition, let index): return try handle(definition, index, argument(0))
    case .decide(let decider, let type):
      return try decide(decider, type, command: argument(0), state: argument(1))
    case .evolve(let decider, let index):
      return try evolve(decider, index, state: argument(0), event: argument(1))
    case .initial(let decider): return try evolve(decider, nil, state: nil, event: nil)
    case .state(let decider):
      guard let key = DeskEvent.text(argument(0)) else {
        throw DeskEvent.wrong("\(decider.name).state takes the key of a stream")
      }
      return DeskValue.json(try Self.parsed(try services.stream(of: decider.name, key: key)))
    case .upcast(let upcaster, let version, let isDown):
      return try upcast(upcaster, version, isDown, data: argument(0), event: argument(1))
    case .saga(let saga, let function):
      return try DeskSaga(self, saga).call(function, argument(0), argument(1))
    }
  }

  static func parsed(_ text: String) throws(Diagnostic) -> JSONValue {
    do throws(EnvelopeFault) { return try JSONValue(parsing: text) } catch {
      throw DeskEvent.wrong(error.reason)
    }
  }

  /// The event of an argument: a table, or the position of a stored one as it is seen by `viewer`.
  func event(
    _ argument: JSONValue?, _ viewer: () throws(Diagnostic) -> EventViewer
  ) throws(Diagnostic) -> [(record: Record, batch: RecordBatch, topic: TopicName)] {
    guard let argument else { throw DeskEvent.wrong("an event is missing: event(48211), or its position") }
    guard case .integer(let number) = argument else {
      let event = try DeskEvent(argument, version: catalog.newestVersion(ofType:), now: clock.now)
      return [(event.record, event.batch, event.topic)]
    }
    let batch = RecordBatch()
    guard number >= 0,
      let (record, topic) = try services.record(at: Position(UInt64(number)), into: batch)
    else {
      throw Diagnostic(
        code: RuntimeCode.runtimeError.rawValue, "there is no event at #\(number)",
        details: [.init("help", "select max(position) from sys.events")])
    }
    guard record.envelope.kind == .event else {
      throw DeskEvent.wrong("#\(number) is no event: it is of the topic \(topic)")
    }
    do throws(Diagnostic) {
      return try viewer().see(record, in: batch, topic: topic).map { ($0, batch, topic) }
    } catch {
      var failure = error
      failure.severity = .error
      throw failure
    }
  }

  /// Of a handler, or of one that wants all types in their newest versions.
  func viewer(of handler: String?) throws(Diagnostic) -> EventViewer {
    if let known = viewers[handler ?? ""] { return known }
    let viewer: EventViewer
    if let handler {
      guard let definition = catalog.definition(handler) else {
        let near = Suggestion.nearest(to: handler, among: catalog.definitions.map(\.name))
        throw DeskEvent.wrong("there is no handler \(handler)" + (near.map { "; did you mean \($0)?" } ?? ""))
      }
      viewer = try EventViewer(definition.interest, name: definition.identityName, catalog: catalog)
    } else {
      viewer = try EventViewer(catalog: catalog)
    }
    viewers[handler ?? ""] = viewer
    return viewer
  }

  /// `event(48211)`: a table; a list of them when upcasters made several of it, nil when they left none.
  private func seen(_ position: JSONValue?, by handler: String?) throws(Diagnostic) -> [UInt8] {
    guard case .integer? = position else { throw DeskEvent.wrong("event takes a position: event(48211)") }
    let seen = try event(position) { () throws(Diagnostic) in try viewer(of: handler) }
    let values = seen.map { DeskValue.event($0.record, in: $0.batch, topic: $0.topic) }
    if values.isEmpty { return [] }
    return DeskValue.json(values.count == 1 ? values[0] : .array(values))
  }

  private func rows(_ sql: JSONValue?) throws(Diagnostic) -> [UInt8] {
    guard let sql = sql?.text else { throw DeskEvent.wrong("query takes a statement: query \"select …\"") }
    let (names, rows) = try services.query(sql)
    return Self.list(names, rows)
  }

  /// Rows as a list of tables; NULL is left out.
  public static func list(_ names: [String], _ rows: RowBuffer) -> [UInt8] {
    var out = StateWriter()
    let width = max(1, names.count)
    out.list(rows.cells.count / width)
    for start in stride(from: 0, to: rows.cells.count, by: width) {
      DeskValue.add(DeskValue.row(rows, names, at: start), to: &out)
    }
    return out.bytes
  }

  /// A failure in a script of the project, at its place.
  func failure(_ error: LuaFault, _ what: String) -> Diagnostic {
    let place = error.path.map {
      catalog.scripts.place(path: $0, line: error.line ?? 1, blaming: error.blamed)
    }
    return Diagnostic(code: RuntimeCode.text(of: error.kind), "\(what): \(error.message)", at: place)
  }

  static func seed(_ name: String, _ topic: TopicName) -> Digest {
    Digest.zero.adding(name).adding(topic.text)
  }

  var surroundings: HandlerSurroundings {
    let printed = DeskPrints(services)
    return HandlerSurroundings(
      clock: clock, randomness: randomness, report: { _ in }, print: { printed.print($0, $2) })
  }

  // MARK: Upcasters

  private func upcast(
    _ upcaster: UpcasterDefinition, _ version: UInt32, _ isDown: Bool, data: JSONValue?, event: JSONValue?
  ) throws(Diagnostic) -> [UInt8] {
    guard case .object? = data else {
      throw DeskEvent.wrong(
        "an upcaster takes data, and perhaps the event: \(upcaster.type)[\(version)](data)")
    }
    var members: [JSONValue.Member] = []
    if case .object(let given)? = event { members = given }
    members.removeAll { ["data", "type", "version"].contains($0.name) }
    members += [
      .init("type", .string(upcaster.type)), .init("version", .integer(Int64(version))),
      .init("data", data ?? .null),
    ]
    let made = try DeskEvent(.object(members), version: { _ in version }, now: clock.now)
    let what = "upcaster \(upcaster.type)[\(version)]"
    do throws(LuaFault) {
      let state = try LuaState(budget: catalog.defaults.budget, modules: catalog.scripts.modules)
      var loaded: [String: [LuaDefinition]] = [:]
      let body = try catalog.scripts.definitions(upcaster.path, in: state, loaded: &loaded)
        .first { $0.kind == "upcaster" && $0.name == upcaster.type }?.body
      var functions = body
      if isDown, case .table(let down)? = body?["down"] { functions = down }
      let step = functions?.entries.first { $0.key == .integer(Int64(version)) }?.value
      guard case .function(let function)? = step else {
        throw LuaFault(kind: .runtime, message: "it has other steps than when it was loaded")
      }
      let outcome = try state.upcast(
        UpcastSteps([function], isDown: isDown), record: made.record, in: made.batch,
        topic: Array(made.topic.text.utf8), seed: Self.seed("", made.topic))
      switch outcome {
      case .data(let range): return DeskValue.json(DeskValue.json(made.batch.bytes, range) ?? .null)
      case .renamed(let cells): return DeskValue.json(DeskValue.made(cells, DeskValue.reshaped))
      case .split(let cells):
        let starts = stride(from: 0, to: cells.cells.count, by: DeskValue.reshaped.count)
        return DeskValue.json(.array(starts.map { DeskValue.made(cells, DeskValue.reshaped, at: $0) }))
      case .dropped: return []
      }
    } catch { throw failure(error, what) }
  }
}

/// Hands on what handlers print. The closure of surroundings may be called from any thread; the desk's are
/// called on its own.
private final class DeskPrints: @unchecked Sendable {
  // Unchecked: only the thread of the desk runs its handlers.
  private let services: any DeskServices
  init(_ services: any DeskServices) { self.services = services }
  func print(_ handler: String, _ text: String) { services.print("\(handler): \(text)") }
}
