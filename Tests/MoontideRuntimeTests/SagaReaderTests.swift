import MoontideCore
import Testing

@testable import MoontideRuntime

/// Definitions of sagas: what is read, and what is refused where.
struct SagaReaderTests {
  private func load(_ body: String) -> ProjectCatalog {
    TestProject.load(["handlers/s.lua": "saga \"s\" {\n\(body)\n}"])
  }

  private func problem(_ body: String) -> (code: String, title: String, line: Int) {
    let problems = load(body).diagnostics.filter { $0.severity == .error }
    #expect(problems.count == 1, "\(problems.map(\.title))")
    return (problems.first?.code ?? "", problems.first?.title ?? "", problems.first?.place?.line ?? 0)
  }

  private let step = "{ name = \"a\", send = function() end, succeeds_on = \"ADone\" }"

  @Test func `steps, those side by side, and everything around them are read`() throws {
    let catalog = load(
      """
      starts_on = { "Created", "Imported" }, clock = "event", retry = { attempts = 7 }, from = "start",
      correlate = { Created = "id", ["*"] = function() end },
      steps = {
        { name = "a", send = function() end, succeeds_on = { "ADone", "AToo" }, fails_on = "ABad",
          timeout = "15m" },
        { parallel = {
          { name = "b", send = function() end, compensate = function() end },
          { name = "c", succeeds_on = "CDone" },
        } },
      },
      on = { ["Note*"] = function() end }, timers = { late = function() end },
      completed = function() end,
      """)
    #expect(catalog.diagnostics.map(\.title) == [])
    let saga = try #require(catalog.sagas["s"])
    #expect(saga.plan.stages == [0..<1, 1..<3])
    #expect(saga.plan.steps.map(\.name) == ["a", "b", "c"])
    #expect(saga.plan.steps[0].timeout == .seconds(900))
    #expect(saga.plan.steps.map(\.compensates) == [false, true, false])
    #expect(saga.plan.steps.map(\.sends) == [true, true, false])
    #expect(saga.plan.retry.attempts == 7)
    #expect(saga.plan.completes && !saga.plan.concludes)
    #expect(saga.followsEventTime)
    #expect(saga.timers == ["late"])
    #expect(
      saga.handler.subscriptions == ["Created", "Imported", "ADone", "AToo", "ABad", "CDone", "Note*"])
    #expect(catalog.definition("s")?.version == saga.handler.version)
    #expect(saga.handler.version != .zero)
  }

  @Test func `misspelt keys are told with what was probably meant`() {
    #expect(
      problem("starts_on = \"A\", stepps = { \(step) }, on = { A = function() end }").title.contains(
        "`stepps`"))
    let inStep = problem(
      "starts_on = \"A\",\nsteps = {\n{ name = \"a\", send = function() end, sucess_on = \"B\" },\n}")
    #expect(inStep.title.contains("unknown key `sucess_on`"))
    #expect(inStep.line == 4)
  }

  @Test func `what a saga must have, and must not`() {
    #expect(problem("steps = { \(step) }").title.contains("needs `starts_on`"))
    #expect(problem("starts_on = \"A\"").title.contains("needs `steps`"))
    #expect(problem("starts_on = \"A\", steps = { \(step), \(step) }").title.contains("two steps are named"))
    #expect(problem("starts_on = \"A\", steps = { { name = \"a\" } }").title.contains("needs `send`"))
    #expect(problem("starts_on = \"A\", steps = { \(step) }, pin = 1").title.contains("`pin` is true or"))
    #expect(
      problem("starts_on = \"A\", steps = { \(step) }, pin = true, migrate = function() end").title
        .contains("either go on by `migrate` or end by their old code"))
    #expect(problem("starts_on = \"A*\", steps = { \(step) }").title.contains("starts_on"))
    #expect(problem("starts_on = \"A\", steps = { \(step) }, clock = \"wal\"").title.contains("`clock`"))
  }

  @Test func `a saga and a consumer of one name would share a file`() {
    let catalog = TestProject.load([
      "handlers/s.lua": "saga \"s\" { starts_on = \"A\", steps = { \(step) } }",
      "handlers/t.lua": "consumer \"s\" { on = { A = function() end } }",
    ])
    #expect(catalog.diagnostics.map(\.code) == ["E0115"])
  }
}

/// Instances as rows, and what they meet when their script was edited.
struct SagaCodingTests {
  private func plan(_ names: [String]) -> SagaPlan { SagaPlan(steps: names.map { .usual($0) }) }

  @Test func `an instance reads back as it was written`() throws {
    var play = SagaPlay([.usual("a"), .usual("b"), .usual("c")], attempts: 3)
    play.start()
    play.event("CDone")
    play.event("ADone")
    play.fire()
    play.refuse("undo b", "NO")
    play.event("BDone")
    let coding = SagaCoding(plan: play.plan, scriptVersion: "v")
    let row = coding.row(play.instance, sent: [])
    var kept = play.instance
    kept.version = "v"
    #expect(coding.instance(row) == kept)
    #expect(row.status == "compensating")
    #expect(row.timers.map(\.purpose) == ["retry b"])
  }

  @Test func `steps may come, and those not begun may go; begun ones stay in their order`() throws {
    var play = SagaPlay([.usual("a"), .usual("b"), .usual("c")])
    play.start()
    play.event("ADone")
    let steps = play.instance.steps
    let grown = try #require(SagaFit(steps, plan: plan(["z", "a", "b", "y", "c"])))
    #expect(grown.steps.map(\.phase) == [.skipped, .succeeded, .waiting, .idle, .idle])
    #expect(grown.stage == 2)
    let shrunk = try #require(SagaFit(steps, plan: plan(["a", "b"])))
    #expect(shrunk.steps.map(\.phase) == [.succeeded, .waiting])
    #expect(SagaFit(steps, plan: plan(["b", "a", "c"])) == nil)
    #expect(SagaFit(steps, plan: plan(["a", "c"])) == nil)
  }
}
