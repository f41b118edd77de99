import MoontideCore
import Testing

@testable import MoontideRuntime

/// The decisions about one instance of a saga, without scripts and files.
struct SagaMachineTests {
  private func line(_ attempts: Int = 3) -> SagaPlay {
    SagaPlay([.usual("a"), .usual("b"), .usual("c")], attempts: attempts)
  }

  @Test func `a line of steps is gone through in order and completed when the last command is accepted`() {
    var play = line()
    #expect(play.start() == ["send a"])
    #expect(play.event("ADone") == ["send b"])
    #expect(play.accept("send a") == [])
    #expect(play.event("BDone") == ["send c"])
    #expect(play.event("CDone") == ["complete"])
    #expect(play.instance.status == .completing)
    play.accept("complete")
    #expect(play.instance.status == .completed)
    #expect(play.instance.timers == [])
  }

  @Test func `a step without an event to wait for is done when its command is accepted`() {
    var play = SagaPlay([SagaStep(name: "a", compensates: true), .usual("b")])
    #expect(play.start() == ["send a"])
    #expect(play.accept("send a") == ["send b"])
    #expect(play.refuse("send b", "NO_MONEY") == ["undo a with #2"])
  }

  @Test func `a step that sends nothing is skipped, and has nothing to undo`() {
    var play = line()
    play.silent = ["send b"]
    play.start()
    #expect(play.event("ADone") == ["send b", "send c"])
    #expect(play.phases == [.succeeded, .skipped, .waiting])
    #expect(play.event("CFailed") == ["undo a with #2"])
  }

  @Test func `a rejected command fails its step, and the done ones are undone from the last to the first`() {
    var play = line()
    play.start()
    play.event("ADone")
    play.event("BDone")
    #expect(play.refuse("send c", "NO_MONEY") == ["undo b with #3"])
    #expect(play.instance.status == .compensating)
    #expect(play.accept("undo b with #3") == ["undo a with #2"])
    #expect(play.accept("undo a with #2") == ["conclude c: NO_MONEY"])
    #expect(play.instance.status == .concluding)
    play.accept("conclude c: NO_MONEY")
    #expect(play.instance.status == .compensated)
    #expect(play.phases == [.compensated, .compensated, .failed])
  }

  @Test func `an event of fails_on fails the step that waits for it`() {
    var play = line()
    play.start()
    play.event("ADone")
    #expect(play.event("BFailed") == ["undo a with #2"])
    #expect(play.instance.why?.reason == "b: BFailed")
    #expect(play.instance.why?.step == "b")
  }

  @Test func `a step that times out is undone itself, without a result`() {
    var play = line()
    play.start()
    play.event("ADone")
    #expect(play.fire() == ["undo b"])
    #expect(play.accept("undo b") == ["undo a with #2"])
    #expect(play.accept("undo a with #2") == ["conclude b: timeout"])
  }

  @Test func `a success after a timeout is undone once more, with its result, and no further time`() {
    var play = line()
    play.start()
    play.event("ADone")
    play.fire()
    play.accept("undo b")
    #expect(play.event("BDone") == [], "a is being undone: one after the other")
    #expect(play.accept("undo a with #2") == ["undo b with #5"])
    #expect(play.event("BDone") == [])
    #expect(play.accept("undo b with #5") == ["conclude b: timeout"])
  }

  @Test func `a success that comes after the end opens the instance for one compensation`() {
    var play = SagaPlay([.usual("a")])
    play.start()
    play.fire()
    play.accept("undo a")
    play.accept("conclude a: timeout")
    #expect(play.instance.status == .compensated)
    #expect(play.event("ADone") == ["undo a with #5"])
    #expect(play.instance.status == .compensating)
    #expect(play.accept("undo a with #5") == [])
    #expect(play.instance.status == .compensated)
    #expect(play.event("ADone") == [])
    #expect(play.instance.notes.map(\.kind) == [.late, .late])
  }

  @Test func `a success while compensated is on its way is undone behind it`() {
    var play = SagaPlay([.usual("a")])
    play.start()
    play.fire()
    #expect(play.accept("undo a") == ["conclude a: timeout"])
    #expect(play.event("ADone") == [])
    #expect(play.accept("conclude a: timeout") == ["undo a with #4"])
    play.accept("undo a with #4")
    #expect(play.instance.status == .compensated)
    #expect(play.calls.filter { $0.hasPrefix("conclude") }.count == 1)
  }

  @Test func `a success before the compensation was called gives it the result at once`() {
    var play = line()
    play.start()
    play.event("ADone")
    play.event("BDone")
    play.fire()
    #expect(play.calls.last == "undo c")
    // B is not undone yet; A timed out nowhere: a second success of b is of no use.
    #expect(play.event("BDone") == [])
    #expect(play.event("CDone") == [])
    #expect(play.accept("undo c") == ["undo c with #6"])
    #expect(play.accept("undo c with #6") == ["undo b with #3"])
  }

  @Test func `a refused command says that a step which timed out was not done`() {
    var play = SagaPlay([.usual("a"), .usual("b")], stages: [0..<2])
    #expect(play.start() == ["send a", "send b"])
    #expect(play.fire() == ["undo b"], "b, abandoned, comes first on the way back")
    #expect(play.refuse("send a") == [])
    #expect(play.phases[0] == .failed)
    #expect(play.accept("undo b") == ["conclude a: timeout"])
  }

  @Test func `steps side by side are all waited for`() {
    var play = SagaPlay([.usual("a"), .usual("b"), .usual("c")], stages: [0..<2, 2..<3])
    #expect(play.start() == ["send a", "send b"])
    #expect(play.event("BDone") == [])
    #expect(play.event("ADone") == ["send c"])
  }

  @Test func `a failure beside a waiting step undoes that one too, since it may be done`() {
    var play = SagaPlay([.usual("a"), .usual("b")], stages: [0..<2])
    play.start()
    #expect(play.event("BFailed") == ["undo a"])
    #expect(play.event("ADone") == [])
    #expect(play.accept("undo a") == ["undo a with #3"])
  }

  @Test func `what comes before its turn is kept for its step`() {
    var play = line()
    play.start()
    #expect(play.event("CDone") == [])
    #expect(play.event("BDone") == [])
    #expect(play.event("ADone") == ["complete"])
    #expect(play.instance.steps.map(\.result) == [Position(4), Position(3), Position(2)])
  }

  @Test func `a failure that comes before its turn fails the step when it begins`() {
    var play = line()
    play.start()
    #expect(play.event("BFailed") == [])
    #expect(play.instance.status == .running)
    #expect(play.event("ADone") == ["undo a with #3"])
  }

  @Test func `a compensation that is refused is tried again by policy, then stuck until a person asks`() {
    var play = line(2)
    play.start()
    play.event("ADone")
    #expect(play.event("BFailed") == ["undo a with #2"])
    #expect(play.refuse("undo a with #2") == [])
    #expect(play.instance.timers.map(\.clock) == [.wall])
    #expect(play.fire() == ["undo a with #2"])
    #expect(play.refuse("undo a with #2", "BROKEN") == [])
    #expect(play.instance.status == .stuck)
    #expect(play.phases[0] == .stuck)
    #expect(play.instance.timers == [])
    #expect(play.take(.retry) == ["undo a with #2"])
    #expect(play.accept("undo a with #2") == ["conclude b: BFailed"])
  }

  @Test func `completed and compensated are tried again too`() {
    var play = SagaPlay([.usual("a")], attempts: 2)
    play.start()
    play.event("ADone")
    #expect(play.refuse("complete") == [])
    #expect(play.fire() == ["complete"])
    play.refuse("complete")
    #expect(play.instance.status == .stuck)
    #expect(play.take(.retry) == ["complete"])
    play.accept("complete")
    #expect(play.instance.status == .completed)
  }

  @Test func `a step of several commands, one of them refused, is undone: the others may have been done`() {
    var play = SagaPlay([.usual("a"), SagaStep(name: "b", compensates: true)])
    play.several = ["send b": 2]
    play.start()
    #expect(play.event("ADone") == ["send b"])
    #expect(play.refuse("send b 2", "NO_POINTS") == ["undo b"])
    #expect(play.accept("send b") == [], "it is not done as a whole")
    #expect(play.accept("undo b") == ["undo a with #2"])
    #expect(play.accept("undo a with #2") == ["conclude b: NO_POINTS"])
  }

  @Test func `another try of a compensation sends again what was refused of it, and nothing else`() {
    var play = line(2)
    play.several = ["undo a with #2": 3]
    play.start()
    play.event("ADone")
    #expect(play.event("BFailed") == ["undo a with #2"])
    play.accept("undo a with #2 2")
    play.refuse("undo a with #2")
    #expect(play.instance.timers == [], "one has no outcome yet")
    play.accept("undo a with #2 3")
    #expect(play.fire() == ["undo a with #2"])
    #expect(play.open.keys.sorted().filter { $0.hasPrefix("undo") } == ["undo a with #2"])
    play.refuse("undo a with #2")
    #expect(play.instance.status == .stuck)
    #expect(play.take(.retry) == ["undo a with #2"])
    #expect(play.open.keys.sorted().filter { $0.hasPrefix("undo") } == ["undo a with #2"])
    #expect(play.accept("undo a with #2") == ["conclude b: BFailed"])
  }

  @Test func `what is wished for the event that completes a step finds the step done`() {
    var play = SagaPlay([.usual("a")])
    play.start()
    var machine = SagaMachine(play.plan, play.instance, at: SagaMoment(Position(9), 0))
    machine.take(.event(type: "ADone"))
    machine.take(.compensate(reason: "fraud"))
    #expect(machine.next() == .compensate(0, result: Position(9)))
    #expect(machine.next() == nil)
    #expect(machine.instance.status == .compensating)
  }

  @Test func `an instance that is cancelled undoes what was done and what may be done`() {
    var play = line()
    play.start()
    play.event("ADone")
    #expect(play.take(.compensate(reason: "cancelled")) == ["undo b"])
    #expect(play.accept("undo b") == ["undo a with #2"])
    #expect(play.take(.compensate(reason: "again")) == [])
    #expect(play.accept("undo a with #2") == ["conclude cancelled"])
  }

  @Test func `an instance without steps goes on until it is told to complete`() {
    var play = SagaPlay([])
    #expect(play.start() == [])
    #expect(play.event("Other") == [])
    #expect(play.instance.status == .running)
    #expect(play.take(.complete) == ["complete"])
    play.accept("complete")
    #expect(play.instance.status == .completed)
    #expect(play.event("Other") == [])
    #expect(play.instance.notes.map(\.text) == ["Other"])
  }

  @Test func `a timer fires once, and not after it was set anew`() {
    var play = SagaPlay([])
    play.start()
    var machine = SagaMachine(play.plan, play.instance, at: SagaMoment(Position(9), 0))
    machine.setTimer(.named("remind"), after: .seconds(10))
    machine.setTimer(.named("remind"), after: .seconds(20))
    play.instance = machine.instance
    #expect(play.instance.timers.map(\.due) == [20_000_000])
    #expect(play.take(.timer(0)) == [])
    #expect(play.take(.timer(1)) == ["timer remind"])
    #expect(play.take(.timer(1)) == [])
  }

  @Test func `any order of answers, failures and delays ends, and undoes each step as often as it must`() {
    let seed = UInt64.random(in: 0..<1 << 32)
    print("saga machine: seed \(seed)")
    let random = SeededRandomness(seed)
    for round in 0..<3_000 { check(random, "seed \(seed), round \(round)") }
  }

  private func check(_ random: SeededRandomness, _ round: String) {
    let names = ["a", "b", "c", "d"]
    let count = 1 + random.below(4)
    var stages: [Range<Int>] = []
    var first = 0
    while first < count {
      let end = first + 1 + random.below(count - first)
      stages.append(first..<end)
      first = end
    }
    var play = SagaPlay(names.prefix(count).map { .usual($0) }, stages: stages, attempts: 100)
    play.start()
    for _ in 0..<40 {
      let name = names[random.below(count)]
      switch random.below(7) {
      case 0, 1: play.event("\(name.uppercased())Done")
      case 2: play.event("\(name.uppercased())Failed")
      case 3: play.fire()
      case 4: if let call = play.open.keys.sorted().first { play.refuse(call) }
      default: if let call = play.open.keys.sorted().last { play.accept(call) }
      }
      let undoing = play.phases.filter { $0 == .compensating }.count
      #expect(undoing <= 1, "\(undoing) compensations at once: \(play.calls), \(round)")
    }
    // From here on all is well: everything is accepted, and what waits is told that it is done.
    for _ in 0..<100 where !play.instance.hasEnded {
      for call in play.open.keys.sorted() { play.accept(call) }
      for name in names { play.event("\(name.uppercased())Done") }
      play.fire()
    }
    #expect(play.instance.hasEnded, "it ends: \(play.instance.status) \(play.phases) \(play.calls), \(round)")
    #expect(play.calls.filter { $0 == "complete" }.isEmpty || play.instance.status == .completed, "\(round)")
    for (index, step) in play.instance.steps.enumerated() where play.instance.status == .compensated {
      let mayBeDone = [.succeeded, .timedOut, .abandoned, .compensating].contains(step.phase)
      #expect(!mayBeDone, "\(step.name) is \(step.phase) at the end: \(play.calls), \(round)")
      if let result = step.result, step.phase == .compensated {
        let told = play.calls.contains("undo \(play.plan.steps[index].name) with #\(result.value)")
        #expect(told, "\(step.name) was done at \(result) and not undone: \(play.calls), \(round)")
      }
    }
  }
}
