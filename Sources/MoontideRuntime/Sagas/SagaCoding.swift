import MoontideCore
import MoontideJSON

/// An instance as its row. Steps are known by name there, so that a script may gain some while instances are
/// open; see `SagaFit`.
///
/// `body` is one JSON object:
///
/// | member | what |
/// | --- | --- |
/// | `stage` | how many stages are done |
/// | `steps` | of each what `SagaStepState` has, some by shorter names, and its call |
/// | `pending` | `{ id, for, time, place }` of each command without outcome; `for` as in `purpose` |
/// | `count`, `accepted`, `code`, `text` | how the call of `completed` or `compensated` stands |
/// | `notes` | `{ kind, text, position }` |
/// | `why` | `{ reason, step, code, text }` |
/// | `depth`, `timers_set`, `firings`, `tries`, `concluded`, `stuck_in` | as in `SagaInstance` |
struct SagaCoding {
  let plan: SagaPlan
  let scriptVersion: String

  // MARK: Writing

  /// - Parameter sent: ids of commands that are new since the row was written last.
  func row(_ instance: SagaInstance, sent: [[UInt8]]) -> SagaRow {
    SagaRow(
      key: instance.key, status: instance.status.rawValue, hasEnded: instance.hasEnded,
      trace: instance.trace, began: instance.began, changed: instance.changed,
      changedMicroseconds: instance.microseconds, reason: instance.why?.reason ?? "",
      scriptVersion: scriptVersion, state: instance.state, body: body(instance),
      timers: instance.timers.map { row($0, of: instance.key) }, sent: sent)
  }

  func row(_ timer: SagaTimer, of key: [UInt8]) -> SagaTimerRow {
    SagaTimerRow(
      key: key, ordinal: timer.ordinal, purpose: text(timer.purpose), clock: timer.clock,
      dueMicroseconds: timer.due, announcement: timer.announcement)
  }

  private func body(_ instance: SagaInstance) -> [UInt8] {
    var members: [JSONValue.Member] = [
      .init("stage", .integer(Int64(instance.stage))), .init("steps", .array(instance.steps.map(step))),
      .init("depth", .integer(Int64(instance.depth))),
      .init("timers_set", .integer(Int64(bitPattern: instance.timersSet))),
    ]
    if !instance.pending.isEmpty {
      members.append(
        .init(
          "pending",
          .array(
            instance.pending.map { command in
              .object(
                [
                  .init("id", .string(String(decoding: command.id, as: UTF8.self))),
                  .init("for", .string(text(command.purpose))),
                  .init("time", .integer(command.microseconds)),
                ] + (command.place > 0 ? [.init("place", .integer(Int64(command.place)))] : []))
            })))
    }
    if !instance.notes.isEmpty {
      members.append(
        .init(
          "notes",
          .array(
            instance.notes.map { note in
              .object([
                .init("kind", .string(note.kind.rawValue)), .init("text", .string(note.text)),
                .init("position", Self.json(note.position)),
              ])
            })))
    }
    if let why = instance.why {
      members.append(
        .init(
          "why",
          .object([
            .init("reason", .string(why.reason)), .init("step", .string(why.step)),
            .init("code", .string(why.code)), .init("text", .string(why.text)),
          ])))
    }
    if instance.tries > 0 { members.append(.init("tries", .integer(Int64(instance.tries)))) }
    members += Self.members(instance.call)
    if instance.firings > 0 { members.append(.init("firings", .integer(Int64(instance.firings)))) }
    if instance.hasConcluded { members.append(.init("concluded", .boolean(true))) }
    if let before = instance.stuckIn { members.append(.init("stuck_in", .string(before.rawValue))) }
    var bytes: [UInt8] = []
    JSONValue.object(members).append(to: &bytes)
    return bytes
  }

  private func step(_ step: SagaStepState) -> JSONValue {
    var members: [JSONValue.Member] = [
      .init("name", .string(step.name)), .init("phase", .string(step.phase.rawValue)),
      .init("since", .integer(step.since)),
    ]
    if let result = step.result { members.append(.init("result", Self.json(result))) }
    switch step.early {
    case nil: break
    case .success(let position)?: members.append(.init("early", Self.json(position)))
    case .failure(let position, let type)?:
      members += [.init("early", Self.json(position)), .init("early_type", .string(type))]
    }
    if step.tries > 0 { members.append(.init("tries", .integer(Int64(step.tries)))) }
    members += Self.members(step.call)
    if step.isRefused { members.append(.init("refused", .boolean(true))) }
    if step.isBlind { members.append(.init("blind", .boolean(true))) }
    if step.owes { members.append(.init("owes", .boolean(true))) }
    return .object(members)
  }

  private static func members(_ call: SagaCall) -> [JSONValue.Member] {
    guard call.count > 0 else { return [] }
    var members: [JSONValue.Member] = [
      .init("count", .integer(Int64(call.count))),
      .init("accepted", .array(call.accepted.map { .integer(Int64($0)) })),
    ]
    if let refusal = call.refusal {
      members += [.init("code", .string(refusal.code)), .init("text", .string(refusal.text))]
    }
    return members
  }

  private static func call(_ json: JSONValue) -> SagaCall {
    var call = SagaCall()
    call.count = Int(number(json["count"]) ?? 0)
    call.accepted = list(json["accepted"]).compactMap { number($0).map { Int($0) } }
    call.refusal = json["code"]?.text.map { .init(code: $0, text: json["text"]?.text ?? "") }
    return call
  }

  private static func json(_ position: Position) -> JSONValue { .integer(Int64(bitPattern: position.value)) }

  func text(_ purpose: SagaTimer.Purpose) -> String {
    switch purpose {
    case .named(let name): "name \(name)"
    case .step(let step): "step \(plan.steps[step].name)"
    case .retry(let step?): "retry \(plan.steps[step].name)"
    case .retry(nil): "retry"
    }
  }

  private func text(_ purpose: SagaPurpose) -> String {
    switch purpose {
    case .step(let step): "step \(plan.steps[step].name)"
    case .compensation(let step): "compensation \(plan.steps[step].name)"
    case .completion: "completed"
    case .conclusion: "compensated"
    case .free: "send"
    }
  }

  // MARK: Reading

  /// The instance, or nil when its open steps do not fit the plan, or the row is not readable.
  func instance(_ row: SagaRow) -> SagaInstance? {
    let body: JSONValue
    do throws(EnvelopeFault) { body = try JSONValue(parsing: row.body) } catch { return nil }
    guard let status = SagaInstance.Status(rawValue: row.status), case .array(let written)? = body["steps"],
      let stored = Self.all(written, Self.step),
      let fit = SagaFit(stored, plan: plan) ?? (row.hasEnded ? SagaFit(ended: stored, plan: plan) : nil)
    else { return nil }
    var instance = SagaInstance(
      key: row.key, trace: row.trace, depth: Int(Self.number(body["depth"]) ?? 0), state: row.state,
      plan: plan, at: SagaMoment(row.began, row.changedMicroseconds))
    instance.status = status
    instance.steps = fit.steps
    instance.stage = fit.stage
    instance.changed = row.changed
    instance.timersSet = UInt64(bitPattern: Self.number(body["timers_set"]) ?? 0)
    instance.tries = Int(Self.number(body["tries"]) ?? 0)
    instance.call = Self.call(body)
    instance.firings = Int(Self.number(body["firings"]) ?? 0)
    instance.hasConcluded = body["concluded"] == .boolean(true)
    instance.stuckIn = body["stuck_in"]?.text.flatMap { SagaInstance.Status(rawValue: $0) }
    if let why = body["why"] {
      instance.why = SagaInstance.Why(
        reason: why["reason"]?.text ?? "", step: why["step"]?.text ?? "", code: why["code"]?.text ?? "",
        text: why["text"]?.text ?? "")
    }
    for command in Self.list(body["pending"]) {
      guard let id = command["id"]?.text, let purpose = purpose(command["for"]?.text ?? "") else { continue }
      instance.pending.append(
        .init(
          id: Array(id.utf8), purpose: purpose, place: Int(Self.number(command["place"]) ?? 0),
          microseconds: Self.number(command["time"]) ?? 0))
    }
    for note in Self.list(body["notes"]) {
      guard let kind = note["kind"]?.text.flatMap({ SagaInstance.Note.Kind(rawValue: $0) }) else { continue }
      instance.notes.append(
        .init(
          kind: kind, text: note["text"]?.text ?? "",
          position: Position(UInt64(bitPattern: Self.number(note["position"]) ?? 0))))
    }
    for timer in row.timers {
      guard let purpose = timerPurpose(timer.purpose) else { continue }
      instance.timers.append(
        SagaTimer(
          ordinal: timer.ordinal, purpose: purpose, due: timer.dueMicroseconds,
          announcement: timer.announcement))
    }
    return instance
  }

  private static func step(_ json: JSONValue) -> SagaStepState? {
    guard let name = json["name"]?.text,
      let phase = json["phase"]?.text.flatMap({ SagaStepState.Phase(rawValue: $0) })
    else { return nil }
    var step = SagaStepState(name: name)
    step.phase = phase
    step.since = number(json["since"]) ?? 0
    step.result = position(json["result"])
    if let early = position(json["early"]) {
      step.early = json["early_type"]?.text.map { .failure(early, type: $0) } ?? .success(early)
    }
    step.tries = Int(number(json["tries"]) ?? 0)
    step.call = call(json)
    step.isRefused = json["refused"] == .boolean(true)
    step.isBlind = json["blind"] == .boolean(true)
    step.owes = json["owes"] == .boolean(true)
    return step
  }

  private func timerPurpose(_ text: String) -> SagaTimer.Purpose? {
    if text == "retry" { return .retry(nil) }
    if text.hasPrefix("name ") { return .named(String(text.dropFirst(5))) }
    if text.hasPrefix("step ") { return index(text.dropFirst(5)).map { .step($0) } }
    if text.hasPrefix("retry ") { return index(text.dropFirst(6)).map { .retry($0) } }
    return nil
  }

  private func purpose(_ text: String) -> SagaPurpose? {
    switch text {
    case "completed": return .completion
    case "compensated": return .conclusion
    case "send": return .free
    default: break
    }
    if text.hasPrefix("step ") { return index(text.dropFirst(5)).map { .step($0) } }
    if text.hasPrefix("compensation ") { return index(text.dropFirst(13)).map { .compensation($0) } }
    return nil
  }

  private func index(_ name: Substring) -> Int? { plan.steps.firstIndex { $0.name == name } }

  private static func number(_ json: JSONValue?) -> Int64? {
    if case .integer(let number)? = json { return number }
    return nil
  }

  private static func position(_ json: JSONValue?) -> Position? {
    number(json).map { Position(UInt64(bitPattern: $0)) }
  }

  private static func list(_ json: JSONValue?) -> [JSONValue] {
    if case .array(let list)? = json { return list }
    return []
  }

  private static func all<T>(_ list: [JSONValue], _ read: (JSONValue) -> T?) -> [T]? {
    let found = list.compactMap(read)
    return found.count == list.count ? found : nil
  }
}
