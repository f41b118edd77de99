import MoontideCore
import MoontideLua

/// Reads `steps` of a saga: a list of steps, and of `{ parallel = { step, step } }`.
struct SagaStepsReader {
  private(set) var reader: DefinitionReader
  private var steps: [SagaStep] = []
  private var names: Set<String> = []

  init(_ reader: DefinitionReader) { self.reader = reader }

  private static let keys = ["name", "send", "succeeds_on", "fails_on", "timeout", "compensate"]

  mutating func read(into plan: inout SagaPlan) {
    guard let value = reader.definition.body["steps"] else { return }
    guard case .table(let list) = value, !list.entries.isEmpty else {
      return reader.wrongKind(value, ["steps"], wanted: "a list of steps with at least one")
    }
    var stages: [Range<Int>] = []
    for entry in list.entries {
      let path = ["steps", DefinitionReader.pathKey(entry.key)]
      guard case .integer = entry.key, case .table(let table) = entry.value else {
        reader.report(
          .wrongKind, "\(reader.title): `steps` is a list of steps: steps = { { name = …, send = … }, … }",
          at: reader.keyPlace(path))
        continue
      }
      let first = steps.count
      if let parallel = table["parallel"] {
        side(by: parallel, table, path)
      } else {
        step(table, path)
      }
      if steps.count > first { stages.append(first..<steps.count) }
    }
    if steps.count > Limits.sagaStepsMax {
      reader.report(
        .badValue, "\(reader.title): a saga has at most \(Limits.sagaStepsMax) steps, not \(steps.count)",
        at: reader.keyPlace(["steps"]))
    }
    plan.steps = steps
    plan.stages = stages
  }

  private mutating func side(by parallel: LuaValue, _ table: LuaTable, _ path: [String]) {
    reader.checkKeys(of: table, at: path, allowed: ["parallel"])
    guard case .table(let list) = parallel, !list.entries.isEmpty else {
      return reader.wrongKind(parallel, path + ["parallel"], wanted: "a list of steps with at least one")
    }
    for entry in list.entries {
      let below = path + ["parallel", DefinitionReader.pathKey(entry.key)]
      guard case .integer = entry.key, case .table(let one) = entry.value else {
        reader.report(
          .wrongKind, "\(reader.title): `parallel` is a list of steps", at: reader.keyPlace(below))
        continue
      }
      step(one, below)
    }
  }

  private mutating func step(_ table: LuaTable, _ path: [String]) {
    reader.checkKeys(of: table, at: path, allowed: Self.keys)
    guard let name = reader.text(table, path + ["name"]) else {
      if table["name"] == nil {
        reader.report(
          .missingKey, "\(reader.title): a step needs a `name`, by which people and open instances know it",
          at: reader.keyPlace(path))
      }
      return
    }
    let bytes = name.utf8.count
    if !(1...Limits.handlerNameBytesMax).contains(bytes) || name.utf8.contains(where: { $0 < 0x20 }) {
      reader.report(
        .badValue,
        "\(reader.title): the name of a step has 1 to \(Limits.handlerNameBytesMax) bytes and no control "
          + "characters", at: reader.valuePlace(path + ["name"]))
    }
    if !names.insert(name).inserted {
      reader.report(
        .duplicate, "\(reader.title): two steps are named \"\(name)\"",
        at: reader.valuePlace(path + ["name"]), help: "open instances know their steps by name")
    }
    var step = SagaStep(name: name)
    step.sends = function(table, path + ["send"])
    step.compensates = function(table, path + ["compensate"])
    step.succeedsOn = types(table, path + ["succeeds_on"]) ?? []
    step.failsOn = types(table, path + ["fails_on"]) ?? []
    step.timeout = reader.duration(table, path + ["timeout"])
    if step.timeout == .zero {
      reader.report(
        .badValue, "\(reader.title): the step \"\(name)\" has no time at all: a timeout is longer than 0",
        at: reader.valuePlace(path + ["timeout"]))
    }
    if !step.sends, step.succeedsOn.isEmpty {
      reader.report(
        .missingKey, "\(reader.title): the step \"\(name)\" needs `send`, or `succeeds_on` to wait for",
        at: reader.keyPlace(path))
    }
    for type in step.succeedsOn where step.failsOn.contains(type) {
      reader.report(
        .badValue, "\(reader.title): \(type) says that the step \"\(name)\" succeeded, and that it failed",
        at: reader.valuePlace(path + ["fails_on"]))
    }
    steps.append(step)
  }

  private mutating func function(_ table: LuaTable, _ path: [String]) -> Bool {
    guard let value = table[path[path.count - 1]] else { return false }
    if case .function = value { return true }
    reader.wrongKind(value, path, wanted: "a function")
    return false
  }

  /// One event type, or a list of them; nil when the key is not there.
  mutating func types(_ table: LuaTable, _ path: [String]) -> [String]? {
    guard let value = table[path[path.count - 1]] else { return nil }
    var found: [String] = []
    switch value {
    case .string: found = [value.text ?? ""]
    case .table(let list) where !list.entries.isEmpty: found = list.entries.compactMap { $0.value.text }
    default: break
    }
    if case .table(let list) = value, found.count != list.entries.count { found = [] }
    let isFitting = found.allSatisfy {
      (1...Limits.typeBytesMax).contains($0.utf8.count) && !$0.utf8.contains(UInt8(ascii: "*"))
    }
    if found.isEmpty || !isFitting {
      reader.wrongKind(value, path, wanted: "an event type, or a list of them, without `*`")
      return []
    }
    return found
  }
}
