import MoontideCore

@testable import MoontideRuntime

/// Plays a saga's machine without a script: every call sends one command, unless it is said to send none.
struct SagaPlay {
  let plan: SagaPlan
  var instance: SagaInstance
  /// Names of what was called, in order: `send a`, `undo a`, `undo a with #5`, `complete`, `conclude REASON`.
  private(set) var calls: [String] = []
  /// Ids of commands without outcome, by the call that sent them, the last one of each.
  private(set) var open: [String: [UInt8]] = [:]
  /// Calls that send nothing.
  var silent: Set<String> = []
  /// How many commands a call returns, where that is not one: `undo a`, and behind it `undo a 2` and so on.
  var several: [String: Int] = [:]
  private var position: UInt64 = 0
  var microseconds: Int64 = 0
  private var commands = 0

  init(_ steps: [SagaStep], stages: [Range<Int>]? = nil, attempts: Int = 3) {
    plan = SagaPlan(
      steps: steps, stages: stages, completes: true, concludes: true,
      retry: RetryPolicy(attempts: attempts, backoff: .seconds(1), factor: 2, max: .seconds(60)))
    instance = SagaInstance(
      key: Array("k".utf8), trace: Array("t".utf8), depth: 0, state: [], plan: plan,
      at: SagaMoment(.start, 0))
  }

  var phases: [SagaStepState.Phase] { instance.steps.map(\.phase) }

  /// Takes an input at the next position; returns what was called.
  @discardableResult
  mutating func take(_ input: SagaInput) -> [String] {
    position += 1
    var machine = SagaMachine(
      plan, instance, at: SagaMoment(Position(position), microseconds), wall: microseconds, random: 0)
    machine.take(input)
    let before = calls.count
    while let action = machine.next() {
      let name = name(action)
      calls.append(name)
      var ids: [[UInt8]] = []
      let done = machine.accepted(action)
      for place in 0..<(silent.contains(name) ? 0 : several[name] ?? 1) where !done.contains(place) {
        commands += 1
        ids.append(Array("c\(commands)".utf8))
        open[place == 0 ? name : "\(name) \(place + 1)"] = ids[ids.count - 1]
      }
      machine.did(action, sent: ids)
    }
    instance = machine.instance
    return Array(calls[before...])
  }

  private func name(_ action: SagaAction) -> String {
    switch action {
    case .send(let step): "send \(plan.steps[step].name)"
    case .compensate(let step, let result):
      "undo \(plan.steps[step].name)" + (result.map { " with #\($0.value)" } ?? "")
    case .complete: "complete"
    case .conclude(let why): "conclude \(why.reason)"
    case .timer(let name): "timer \(name)"
    }
  }

  @discardableResult
  mutating func start() -> [String] { take(.start) }
  @discardableResult
  mutating func event(_ type: String) -> [String] { take(.event(type: type)) }

  /// The command of that call is accepted; nothing when it has its outcome.
  @discardableResult
  mutating func accept(_ call: String) -> [String] {
    guard let id = open.removeValue(forKey: call) else { return ["no command of \(call)"] }
    return take(.outcome(id: id, .accepted))
  }

  @discardableResult
  mutating func refuse(_ call: String, _ code: String = "NO") -> [String] {
    guard let id = open.removeValue(forKey: call) else { return ["no command of \(call)"] }
    return take(.outcome(id: id, .refused(code: code, text: "")))
  }

  /// The earliest timer fires, at its time.
  @discardableResult
  mutating func fire() -> [String] {
    guard let timer = instance.timers.min(by: { ($0.due, $0.ordinal) < ($1.due, $1.ordinal) }) else {
      return ["no timer"]
    }
    microseconds = max(microseconds, timer.due)
    return take(.timer(timer.ordinal))
  }
}

extension SagaStep {
  /// `a` succeeds on `ADone`, fails on `AFailed`, has a timeout of an hour and a compensation.
  static func usual(_ name: String) -> SagaStep {
    SagaStep(
      name: name, succeedsOn: ["\(name.uppercased())Done"], failsOn: ["\(name.uppercased())Failed"],
      timeout: .seconds(3_600), compensates: true)
  }
}
