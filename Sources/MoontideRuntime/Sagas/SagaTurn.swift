import MoontideCore
import MoontideLua

/// Why an input of an instance came to nothing.
enum SagaFailure: Error {
  /// The script: the instance is parked.
  case script(LuaFault)
  /// The worker cannot go on.
  case stop(WorkerStop)
}

/// Takes one input to one instance: asks the machine what follows, and the script for what the machine asks.
/// Nothing is written; what it made is in `SagaHost.made`.
struct SagaTurn {
  let definition: SagaDefinition
  let program: SagaProgram
  let host: SagaHost
  /// What is handled; the script's `event` where it gets one.
  let occasion: LuaOccasion
  let moment: SagaMoment
  let wall: Int64
  let random: UInt64
  /// Reads the event that said that a step was done, as scripts see it.
  let result: (Position, SagaStep) throws(SagaFailure) -> LuaOccasion

  /// The instance as it is afterwards.
  /// - Parameter reaction: the index of the function of `on` that the event concerns.
  func run(
    _ input: SagaInput, on instance: SagaInstance, reaction: Int? = nil
  ) throws(SagaFailure) -> SagaInstance {
    var machine = SagaMachine(definition.plan, instance, at: moment, wall: wall, random: random)
    var function = reaction.map { program.reactions[$0] }
    if case .result = input { function = program.result }
    if let function, !instance.hasEnded {
      try scripted { () throws(LuaFault) in
        try program.state.react(function, &machine.instance.state, occasion)
      }
      machine.take(input)
      // What it wishes stands on what the event says to the steps: `ctx.compensate` has the result of the
      // step that it completes.
      try follow(&machine)
    } else {
      machine.take(input)
    }
    var asked = 0
    while let action = machine.next() {
      asked += 1
      guard asked <= Limits.sagaActionsMax else {
        throw .script(
          LuaFault(
            kind: .runtime, message: "an event leads to more than \(Limits.sagaActionsMax) calls of the saga")
        )
      }
      machine.did(action, sent: try perform(action, &machine))
      try follow(&machine)
    }
    return machine.instance
  }

  private func perform(_ action: SagaAction, _ machine: inout SagaMachine) throws(SagaFailure) -> [[UInt8]] {
    let state = program.state
    switch action {
    case .send(let step):
      guard let function = program.send[step] else { return [] }
      return try commands { () throws(LuaFault) in
        try state.send(function, &machine.instance.state, occasion)
      }
    case .compensate(let step, let position):
      guard let function = program.compensate[step] else { return [] }
      var about = occasion
      if let position {
        about = try result(position, definition.plan.steps[step])
        about.microseconds = moment.microseconds
      }
      return try commands(without: machine.accepted(action)) { () throws(LuaFault) in
        try state.compensate(function, &machine.instance.state, result: position != nil, about)
      }
    case .complete:
      guard let function = program.completed else { return [] }
      return try commands(without: machine.accepted(action)) { () throws(LuaFault) in
        try state.send(function, &machine.instance.state, occasion)
      }
    case .conclude(let why):
      guard let function = program.compensated else { return [] }
      let fields = [("reason", why.reason), ("step", why.step), ("code", why.code), ("text", why.text)]
      return try commands(without: machine.accepted(action)) { () throws(LuaFault) in
        try state.conclude(
          function, &machine.instance.state, why: fields.map { (name: $0.0, text: $0.1) }, occasion)
      }
    case .timer(let name):
      guard let function = program.timers[name] else {
        throw .script(
          LuaFault(
            kind: .runtime,
            message:
              "the timer \"\(name)\" fires, and the saga no longer has a function of that name in `timers`",
            path: definition.handler.path, line: definition.handler.place.line))
      }
      try scripted { () throws(LuaFault) in
        try state.fire(function, &machine.instance.state, occasion)
      }
      return []
    }
  }

  /// What a function asked for by `ctx`.
  private func follow(_ machine: inout SagaMachine) throws(SagaFailure) {
    machine.sentFreely(host.takeSent())
    for wish in host.takeWishes() {
      switch wish {
      case .timer(_, .some) where machine.instance.hasEnded || machine.instance.status == .completing: break
      case .timer(let name, let delay?):
        machine.setTimer(.named(name), after: delay)
        let set = machine.instance.timers.count
        guard set <= Limits.sagaTimersMax + Limits.sagaStepsMax else {
          throw .script(
            LuaFault(kind: .runtime, message: "an instance has at most \(Limits.sagaTimersMax) timers"))
        }
      case .timer(let name, nil): machine.dropTimers { $0 == .named(name) }
      case .compensate(let reason): machine.take(.compensate(reason: reason))
      case .complete: machine.take(.complete)
      }
    }
  }

  private func commands(
    without done: [Int] = [], _ call: () throws(LuaFault) -> [RowBuffer]
  ) throws(SagaFailure) -> [[UInt8]] {
    do throws(LuaFault) { return try host.take(try call(), without: done) } catch { throw .script(error) }
  }

  private func scripted(_ call: () throws(LuaFault) -> Void) throws(SagaFailure) {
    do throws(LuaFault) { try call() } catch { throw .script(error) }
  }
}
