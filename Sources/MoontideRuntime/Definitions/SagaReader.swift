import MoontideCore
import MoontideLua

/// Reads sagas out of checked definitions.
struct SagaReader {
  private(set) var handler: HandlerReader
  private let defaults: HandlerDefaults

  init(_ reader: DefinitionReader, defaults: HandlerDefaults) {
    handler = HandlerReader(reader, defaults: defaults)
    self.defaults = defaults
  }

  var reader: DefinitionReader { handler.reader }
  private var body: LuaTable { reader.definition.body }
  private var title: String { reader.title }

  private static let keys = [
    "starts_on", "correlate", "initial", "steps", "completed", "compensated", "on", "on_result", "timers",
    "clock",
    "retry",
    "exhausted", "topics", "wants", "from", "was", "migrate", "pin",
  ]

  /// The saga, or nil when something is wrong with it; `reader` then says what.
  mutating func saga() -> SagaDefinition? {
    handler.reader.checkKeys(
      of: body, allowed: Self.keys,
      elsewhere: [
        "schema": "is for projections: a saga's state is what `initial` returns",
        "lanes": "is for consumers: a saga has one lane, since its instances are found in one file",
        "decide": "is for deciders: a saga sends commands to them",
      ])
    let common = handler.common(.saga)
    var plan = SagaPlan()
    plan.retry = common.retry
    var steps = SagaStepsReader(handler.reader)
    steps.read(into: &plan)
    handler.reader = steps.reader
    plan.completes = function("completed")
    plan.concludes = function("compensated")
    _ = function("initial")
    var definition = SagaDefinition(handler: common, plan: plan)
    definition.startsOn = types(body, ["starts_on"]) ?? []
    if body["starts_on"] == nil, !reader.misspelt.contains("starts_on") {
      handler.reader.report(
        .missingKey, "\(title) needs `starts_on`: the event type that begins an instance", at: reader.place)
    }
    definition.correlations = correlations()
    definition.reactions = handler.patterns("on", isNeeded: false)
    definition.timers = timers()
    let clock = handler.reader.word(body, ["clock"], of: ["event", "wall"])
    definition.followsEventTime = clock == "event"
    readChanges(&definition)
    checkSense(definition)
    definition.handler.subscriptions = SagaDefinition.subscriptions(
      startsOn: definition.startsOn, plan: plan, reactions: definition.reactions)
    return reader.hasErrors ? nil : definition
  }

  /// `migrate` and `pin`: what becomes of open instances that do not fit the steps any more.
  private mutating func readChanges(_ definition: inout SagaDefinition) {
    definition.migrates = function("migrate")
    switch body["pin"] {
    case nil: break
    case .boolean(let flag)?: definition.pins = flag
    case let other?: handler.reader.wrongKind(other, ["pin"], wanted: "true or false")
    }
    if definition.migrates, definition.pins {
      handler.reader.report(
        .badValue, "\(title): open instances either go on by `migrate` or end by their old code",
        at: reader.keyPlace(["pin"]), help: "leave one of the two out")
    }
    definition.stepsPlace = reader.keyPlace(["steps"])
  }

  private mutating func checkSense(_ definition: SagaDefinition) {
    if definition.plan.steps.isEmpty, definition.reactions.isEmpty, !reader.hasErrors {
      handler.reader.report(
        .missingKey, "\(title) needs `steps`, or `on` with a function for each event type that it handles",
        at: reader.place)
    }
    let compensates = definition.plan.steps.contains { $0.compensates }
    if definition.plan.concludes, !compensates, definition.plan.steps.isEmpty, definition.reactions.isEmpty {
      handler.reader.report(
        .badValue, "\(title): `compensated` is called for nothing", at: reader.keyPlace(["compensated"]))
    }
  }

  /// Whether there is a function of that name; reports another kind of value.
  private mutating func function(_ name: String) -> Bool {
    guard let value = body[name] else { return false }
    if case .function = value { return true }
    handler.reader.wrongKind(value, [name], wanted: "a function")
    return false
  }

  /// One event type, or a list of them; nil when the key is not there.
  private mutating func types(_ table: LuaTable, _ path: [String]) -> [String]? {
    var steps = SagaStepsReader(handler.reader)
    defer { handler.reader = steps.reader }
    return steps.types(table, path)
  }

  /// `correlate`: a function for all, or by type a function or the name of a field.
  private mutating func correlations() -> [SagaDefinition.Correlation] {
    switch body["correlate"] {
    case nil: return []
    case .function?: return [.init(pattern: "*", field: nil)]
    case .table(let table)?:
      var found: [SagaDefinition.Correlation] = []
      for entry in table.entries {
        let path = ["correlate", DefinitionReader.pathKey(entry.key)]
        guard let pattern = entry.key.text, !pattern.isEmpty else {
          handler.reader.report(
            .wrongKind,
            "\(title): the keys of `correlate` are event types, not \(DefinitionReader.kindName(entry.key))",
            at: reader.keyPlace(path))
          continue
        }
        if case .function = entry.value {
          found.append(.init(pattern: pattern, field: nil))
        } else if let field = entry.value.text, !field.isEmpty {
          found.append(.init(pattern: pattern, field: field))
        } else {
          handler.reader.wrongKind(entry.value, path, wanted: "a function or the name of a field of data")
        }
      }
      return found
    case let other?:
      handler.reader.wrongKind(other, ["correlate"], wanted: "a function, or a table of them by event type")
      return []
    }
  }

  private mutating func timers() -> [String] {
    guard let value = body["timers"] else { return [] }
    guard case .table(let table) = value else {
      handler.reader.wrongKind(value, ["timers"], wanted: "a table of functions by the timer's name")
      return []
    }
    var names: [String] = []
    for entry in table.entries {
      let path = ["timers", DefinitionReader.pathKey(entry.key)]
      guard let name = entry.key.text, (1...Limits.handlerNameBytesMax).contains(name.utf8.count) else {
        handler.reader.report(
          .wrongKind,
          "\(title): the keys of `timers` are names of 1 to \(Limits.handlerNameBytesMax) bytes, not "
            + DefinitionReader.kindName(entry.key), at: reader.keyPlace(path))
        continue
      }
      if case .function = entry.value {
        names.append(name)
      } else {
        handler.reader.wrongKind(entry.value, path, wanted: "a function")
      }
    }
    return names
  }
}
