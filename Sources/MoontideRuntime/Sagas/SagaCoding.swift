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
/// | `depth`, `timers_set`, `firings`, `tries`, `concluded`, `stuck_in`, `migrations` | as in the instance |
struct SagaCoding {
  let plan: SagaPlan
  let scriptVersion: String
  /// Names of timers that the script has a function for; nil: not looked at.
  var timers: Set<String>?

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

  /// A timer of the instance of that correlation value.
  func row(_ timer: SagaTimer, of key: [UInt8]) -> SagaTimerRow {
    SagaTimerRow(
      key: key, ordinal: timer.ordinal, purpose: text(timer.purpose), clock: timer.clock,
      dueMicroseconds: timer.due, announcement: timer.announcement)
  }

  private func body(_ instance: SagaInstance) -> [UInt8] {
    var json = JSONComposer(capacity: 128 + 96 * (instance.steps.count + instance.pending.count))
    json.beginObject()
    json.integer("stage", Int64(instance.stage))
    json.list("steps", instance.steps, Self.write)
    json.integer("depth", Int64(instance.depth))
    json.integer("timers_set", Int64(bitPattern: instance.timersSet))
    if !instance.pending.isEmpty {
      json.list("pending", instance.pending) { command, json in
        json.name("id")
        json.text(command.id)
        json.text("for", text(command.purpose))
        json.integer("time", command.microseconds)
        if command.place > 0 { json.integer("place", Int64(command.place)) }
      }
    }
    if !instance.notes.isEmpty {
      json.list("notes", instance.notes) { note, json in
        json.text("kind", note.kind.rawValue)
        json.text("text", note.text)
        json.position("position", note.position)
      }
    }
    if let why = instance.why {
      json.name("why")
      json.beginObject()
      json.text("reason", why.reason)
      json.text("step", why.step)
      json.text("code", why.code)
      json.text("text", why.text)
      json.endObject()
    }
    if instance.tries > 0 { json.integer("tries", Int64(instance.tries)) }
    Self.write(instance.call, to: &json)
    if instance.firings > 0 { json.integer("firings", Int64(instance.firings)) }
    if instance.hasConcluded { json.truth("concluded") }
    if instance.migrations > 0 { json.integer("migrations", Int64(bitPattern: instance.migrations)) }
    if let before = instance.stuckIn { json.text("stuck_in", before.rawValue) }
    json.endObject()
    return json.bytes
  }

  private static func write(_ step: SagaStepState, to json: inout JSONComposer) {
    json.text("name", step.name)
    json.text("phase", step.phase.rawValue)
    json.integer("since", step.since)
    if let result = step.result { json.position("result", result) }
    switch step.early {
    case nil: break
    case .success(let position)?: json.position("early", position)
    case .failure(let position, let type)?:
      json.position("early", position)
      json.text("early_type", type)
    }
    if step.tries > 0 { json.integer("tries", Int64(step.tries)) }
    write(step.call, to: &json)
    if step.isRefused { json.truth("refused") }
    if step.isBlind { json.truth("blind") }
    if step.owes { json.truth("owes") }
  }

  private static func write(_ call: SagaCall, to json: inout JSONComposer) {
    guard call.count > 0 else { return }
    json.integer("count", Int64(call.count))
    json.name("accepted")
    json.beginArray()
    for place in call.accepted { json.integer(Int64(place)) }
    json.endArray()
    if let refusal = call.refusal {
      json.text("code", refusal.code)
      json.text("text", refusal.text)
    }
  }

  private static func call(_ json: JSONValue) -> SagaCall {
    var call = SagaCall()
    call.count = Int(number(json["count"]) ?? 0)
    call.accepted = list(json["accepted"]).compactMap { number($0).map { Int($0) } }
    call.refusal = json["code"]?.text.map { .init(code: $0, text: json["text"]?.text ?? "") }
    return call
  }

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

  /// The instance, or nil when it is open and its steps or timers do not fit the script, or the row is not
  /// readable.
  func instance(_ row: SagaRow) -> SagaInstance? {
    guard let stored = Self.steps(row),
      let fit = SagaFit(stored, plan: plan) ?? (row.hasEnded ? SagaFit(ended: stored, plan: plan) : nil),
      row.hasEnded || unknownTimers(row).isEmpty
    else { return nil }
    return instance(row, fit)
  }

  /// The steps of an instance as they were written, whatever the script says; nil when it is not readable.
  static func steps(_ row: SagaRow) -> [SagaStepState]? {
    let body: JSONValue
    do throws(EnvelopeFault) { body = try JSONValue(parsing: row.body) } catch { return nil }
    guard case .array(let written)? = body["steps"] else { return nil }
    return all(written, Self.step)
  }

  /// Timers that are set and that the script has no function for.
  func unknownTimers(_ row: SagaRow) -> [String] {
    guard let timers else { return [] }
    return row.timers.map(\.purpose).filter { $0.hasPrefix("name ") }.map { String($0.dropFirst(5)) }
      .filter { !timers.contains($0) }
  }

  /// The instance with its steps where `fit` has them. Commands and timers of steps that are gone are gone
  /// too.
  func instance(_ row: SagaRow, _ fit: SagaFit) -> SagaInstance? {
    let body: JSONValue
    do throws(EnvelopeFault) { body = try JSONValue(parsing: row.body) } catch { return nil }
    guard let status = SagaInstance.Status(rawValue: row.status) else { return nil }
    var instance = SagaInstance(
      key: row.key, trace: row.trace, depth: Int(Self.number(body["depth"]) ?? 0), state: row.state,
      plan: plan, at: SagaMoment(row.began, row.changedMicroseconds))
    instance.version = scriptVersion
    instance.migrations = UInt64(bitPattern: Self.number(body["migrations"]) ?? 0)
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
      if case .named(let name) = purpose, timers?.contains(name) == false { continue }
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

extension JSONComposer {
  fileprivate mutating func text(_ name: StaticString, _ text: String) {
    self.name(name)
    self.text(text)
  }

  fileprivate mutating func integer(_ name: StaticString, _ number: Int64) {
    self.name(name)
    integer(number)
  }

  fileprivate mutating func position(_ name: StaticString, _ position: Position) {
    integer(name, Int64(bitPattern: position.value))
  }

  fileprivate mutating func truth(_ name: StaticString) {
    self.name(name)
    boolean(true)
  }

  /// An array of objects.
  fileprivate mutating func list<T>(
    _ name: StaticString, _ elements: [T], _ write: (T, inout JSONComposer) -> Void
  ) {
    self.name(name)
    beginArray()
    for element in elements {
      beginObject()
      write(element, &self)
      endObject()
    }
    endArray()
  }
}
