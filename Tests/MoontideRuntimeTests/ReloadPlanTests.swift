import MoontideCore
import MoontideLua
import Testing

@testable import MoontideRuntime

/// What follows from an edit, by the definitions before and after.
struct ReloadPlanTests {
  private typealias Scripts = [String: String]

  private static let projection = """
    projection "orders" {
      schema = [[ create table orders(id text primary key); ]],
      on = { OrderPlaced = function(event, db) db.orders:put { id = event.key } end },
    }
    """
  private static let consumer = """
    consumer "mail" { from = "start", on = { OrderPlaced = function(event, ctx) end } }
    """
  private static let saga = """
    saga "checkout" { from = "start", starts_on = "OrderPlaced",
      steps = { { name = "pay", succeeds_on = "Paid",
        send = function() return commands.Pay { id = "1" } end } } }
    """
  private static let decider = """
    decider "account" { topic = "accounts", key = "id",
      decide = { Pay = function() return events.Paid {} end },
      evolve = { Paid = function(state) return state end } }
    """
  private static let upcaster = """
    upcaster "OrderPlaced" { [1] = function(data) return data end }
    """
  private static let all: Scripts = [
    "handlers/p.lua": projection, "handlers/c.lua": consumer, "handlers/s.lua": saga,
    "handlers/d.lua": decider, "handlers/u.lua": upcaster,
  ]

  private func outline(
    _ scripts: Scripts, modules: Scripts = [:], settings: String? = nil, only: Set<String>? = nil
  ) -> ScriptOutline {
    let catalog = TestProject.load(scripts, modules: modules)
    #expect(catalog.diagnostics.filter { $0.severity == .error } == [])
    let tokens = settings.map { ScriptTokens(ScriptSource(path: "moontide.lua", text: Array($0.utf8))) }
    return ScriptOutline(catalog, settings: tokens, only: only)
  }

  private func told(_ plan: ReloadPlan) -> [String] {
    plan.steps.filter { $0.change != .same || $0.isAgain }.map { step in
      let was = step.was.map { " was \($0)" } ?? ""
      return "\(step.isAgain ? "again" : step.change.rawValue) \(step.kind.rawValue) \(step.name)\(was)"
    }
  }

  private func plan(_ old: Scripts, _ new: Scripts) -> [String] {
    told(ReloadPlan(from: outline(old), to: outline(new)))
  }

  private func edited(_ path: String, _ old: String, _ new: String) -> Scripts {
    var scripts = Self.all
    scripts[path] = scripts[path]?.replacingOccurrences(old, new)
    #expect(scripts != Self.all)
    return scripts
  }

  @Test func `the same scripts, and the same in other lines, comments and files, change nothing`() {
    let plan = ReloadPlan(from: outline(Self.all), to: outline(Self.all))
    #expect(plan.isEmpty && plan.changes.isEmpty && !plan.removes)
    #expect(plan.steps.count == 5 && plan.steps.allSatisfy { $0.version == $0.previous })
    var moved = Self.all
    moved["handlers/deep/else.lua"] = "-- a comment\n\n" + Self.projection.replacingOccurrences("  ", "\t")
    moved["handlers/p.lua"] = nil
    #expect(self.plan(Self.all, moved) == [])
  }

  @Test func `an edit changes the definitions of its file, and nothing else`() {
    #expect(
      plan(Self.all, edited("handlers/p.lua", "id = event.key", "id = event.id")) == [
        "changed projection orders"
      ])
    #expect(plan(Self.all, edited("handlers/c.lua", "event, ctx", "e, ctx")) == ["changed consumer mail"])
    #expect(plan(Self.all, edited("handlers/s.lua", "\"Paid\"", "\"Done\"")) == ["changed saga checkout"])
    #expect(plan(Self.all, edited("handlers/d.lua", "events.Paid {}", "{}")) == ["changed decider account"])
    var two = Self.all
    two["handlers/p.lua"] = Self.projection + "\n" + Self.consumer.replacingOccurrences("mail", "post")
    var edited = two
    edited["handlers/p.lua"] = two["handlers/p.lua"]?.replacingOccurrences("event, db", "e, db")
      .replacingOccurrences("event.key", "e.key")
    #expect(plan(two, edited) == ["changed consumer post", "changed projection orders"])
  }

  @Test
  func `an edited upcaster changes whom it concerns, and has makers of events begin again for a version`() {
    // The step does something else: those that read the type change, and nobody else.
    let other = edited("handlers/u.lua", "return data end", "data.a = 1 return data end")
    #expect(
      plan(Self.all, other) == [
        "changed upcaster OrderPlaced", "changed consumer mail", "changed saga checkout",
        "changed projection orders",
      ])
    // A step more: new events get another version, so a decider that does not read the type begins again.
    let longer = edited(
      "handlers/u.lua", "[1] = ", "[2] = function(data) return data end, [1] = ")
    #expect(plan(Self.all, longer).contains("again decider account"))
  }

  @Test func `an edited module changes those that require it, directly or not`() {
    var scripts = Self.all
    scripts["handlers/c.lua"] = "local a = require \"lib.a\"\n" + Self.consumer
    let old = ["lib.a": "return require \"lib.b\"", "lib.b": "return 1", "lib.c": "return 1"]
    var new = old
    new["lib.c"] = "return 2"
    #expect(told(ReloadPlan(from: outline(scripts, modules: old), to: outline(scripts, modules: new))) == [])
    new["lib.b"] = "return 2"
    #expect(
      told(ReloadPlan(from: outline(scripts, modules: old), to: outline(scripts, modules: new))) == [
        "changed consumer mail"
      ])
    #expect(
      outline(scripts, modules: new)[.consumer, "mail"]?.files == [
        "handlers/c.lua", "handlers/u.lua", "lib/a.lua", "lib/b.lua",
      ])
  }

  @Test func `definitions come and go`() {
    var fewer = Self.all
    fewer["handlers/c.lua"] = nil
    #expect(plan(Self.all, fewer) == ["removed consumer mail"])
    #expect(ReloadPlan(from: outline(Self.all), to: outline(fewer)).removes)
    #expect(plan(fewer, Self.all) == ["added consumer mail"])
    #expect(
      plan(Self.all, [:]) == [
        "removed upcaster OrderPlaced", "removed decider account", "removed consumer mail",
        "removed saga checkout", "removed projection orders",
      ])
  }

  @Test func `was carries a definition over, once its old name is gone`() {
    let renamed = edited("handlers/c.lua", "consumer \"mail\" {", "consumer \"post\" { was = \"mail\",")
    #expect(plan(Self.all, renamed) == ["renamed consumer post was mail"])
    #expect(!ReloadPlan(from: outline(Self.all), to: outline(renamed)).removes)
    // Nobody of that name was there: a new one.
    var fewer = Self.all
    fewer["handlers/c.lua"] = nil
    #expect(plan(fewer, renamed) == ["added consumer post"])
    // It has the name already: an edit like any other.
    #expect(
      plan(
        renamed,
        edited("handlers/c.lua", "consumer \"mail\" {", "consumer \"post\" { was = \"mail\", lanes = 2,"))
        == ["changed consumer post"])
    // Of another kind it is another one.
    let other = edited("handlers/p.lua", "projection \"orders\" {", "projection \"mails\" { was = \"mail\",")
    #expect(plan(Self.all, other) == ["removed projection orders", "added projection mails"])
  }

  @Test func `was for one that is still there, or twice, is an error of the scripts`() {
    var both = Self.all
    both["handlers/n.lua"] = Self.consumer.replacingOccurrences("\"mail\" {", "\"post\" { was = \"mail\",")
    #expect(TestProject.load(both).diagnostics.map(\.code) == ["E0121"])
    both["handlers/c.lua"] = nil
    #expect(TestProject.load(both).diagnostics == [])
    both["handlers/o.lua"] = Self.consumer.replacingOccurrences("\"mail\" {", "\"memo\" { was = \"mail\",")
    #expect(TestProject.load(both).diagnostics.map(\.code) == ["E0121"])
  }

  @Test func `what handlers share has them begin again where it concerns them`() {
    let old = outline(Self.all)
    var budget = old
    budget.shared?.defaults.budget.instructions += 1
    #expect(told(ReloadPlan(from: old, to: budget)).count == 4)
    #expect(ReloadPlan(from: old, to: budget).changes.isEmpty && !ReloadPlan(from: old, to: budget).isEmpty)
    // Where commands go concerns those who send them or decide, not projections.
    #expect(
      plan(Self.all, edited("handlers/d.lua", "key = \"id\"", "key = \"number\"")) == [
        "changed decider account", "again consumer mail", "again saga checkout",
      ])
    // Out of the log nobody knows what was shared.
    #expect(told(ReloadPlan(from: ScriptOutline(old.entries), to: budget)) == [])
  }

  @Test func `settings are a definition of their own`() {
    let plan = ReloadPlan(
      from: outline(Self.all, settings: "return {}"), to: outline(Self.all, settings: "return { } -- none"))
    #expect(plan.isEmpty)
    let other = ReloadPlan(
      from: outline(Self.all, settings: "return {}"), to: outline(Self.all, settings: "return { env = {} }"))
    #expect(told(other) == ["changed settings moontide.lua"])
  }

  @Test func `only the handlers that run are looked at`() {
    let edit = edited("handlers/p.lua", "id = event.key", "id = event.id")
    #expect(
      told(ReloadPlan(from: outline(Self.all, only: ["mail"]), to: outline(edit, only: ["mail"]))) == [])
  }

  // MARK: Records

  private func write(_ record: TakeoverRecord, texts: [[UInt8]], to log: any EventLog) throws {
    let topic = try log.topic(.reloads, partitions: 1).id
    let batch = DraftBatch()
    for text in texts + texts { TakeoverRecord.draft(keeping: text, topic: topic, into: batch) }
    record.draft(id: "one", topic: topic, into: batch)
    record.draft(id: "two", topic: topic, into: batch)
    _ = try log.append(AppendRequest(batch: batch))
    try log.flush()
  }

  @Test func `a takeover and its texts come out of the log as they went in, each text once`() throws {
    let (old, new) = (outline(Self.all), outline(edited("handlers/c.lua", "event, ctx", "e, ctx")))
    let texts = [Array("a = \"ä\\\n\"".utf8), [0xff, 0x00, 0x41, 0xc3], []]
    let files = texts.enumerated().map {
      TakeoverRecord.File(path: "handlers/\($0.offset).lua", content: TakeoverRecord.content(of: $0.element))
    }
    var record = TakeoverRecord(ReloadPlan(from: old, to: new), to: new, files: files, before: nil)
    record.since = EventTime("2026-11-23T10:00:00Z")
    let project = try TestProject([:])
    let log = project.log
    try write(record, texts: texts, to: log)
    #expect(log.durableEnd == Position(5), "three texts and two takeovers")
    let found = try TakeoverRecord.all(in: log)
    #expect(found.count == 2)
    var first = try #require(found.first)
    #expect(first.position == Position(3) && first.recorded != nil)
    first.position = nil
    first.recorded = nil
    #expect(first == record)
    #expect(first.outline.entries == new.entries)
    for text in texts { #expect(try TakeoverRecord.text(TakeoverRecord.content(of: text), in: log) == text) }
    #expect(try TakeoverRecord.text(Digest(high: 1, low: 2), in: log) == nil)
    #expect(TakeoverRecord(data: Array("{}".utf8)) == nil && TakeoverRecord(data: []) == nil)
  }

  @Test(arguments: [0, 1, 2, 3, 8, 21]) func `the last takeover is found without reading all`(count: Int)
    throws
  {
    let all = outline(Self.all)
    let project = try TestProject([:])
    let topic = try project.log.topic(.reloads, partitions: 1).id
    for number in 0..<count {
      let batch = DraftBatch()
      let file = TakeoverRecord.File(path: "handlers/\(number).lua", content: .zero)
      TakeoverRecord(ReloadPlan(from: all, to: all), to: all, files: [file], before: nil)
        .draft(id: "t-\(number)", topic: topic, into: batch)
      _ = try project.log.append(AppendRequest(batch: batch))
    }
    try project.log.flush()
    #expect(try TakeoverRecord.last(in: project.log) == TakeoverRecord.all(in: project.log).last)
    #expect(try TakeoverRecord.all(in: project.log).count == count)
  }

  @Test func `a takeover carries on what it does not touch`() {
    let all = outline(Self.all)
    let before = TakeoverRecord(ReloadPlan(from: ScriptOutline([]), to: all), to: all, files: [], before: nil)
    #expect(before.definitions.allSatisfy { $0.change == .added })
    var scripts = edited("handlers/c.lua", "consumer \"mail\" {", "consumer \"post\" { was = \"mail\",")
    scripts["handlers/p.lua"] = nil
    let (old, new) = (outline(Self.all), outline(scripts))
    var plan = ReloadPlan(from: old, to: new)
    // A removed one that stays at work.
    plan.leaveAlone(plan.steps.filter { $0.change == .removed })
    let after = TakeoverRecord(plan, to: new, files: [], before: before)
    #expect(
      after.present.map { "\($0.kind.rawValue) \($0.name)" }.sorted() == [
        "consumer post", "decider account", "projection orders", "saga checkout", "upcaster OrderPlaced",
      ])
  }
}

extension String {
  fileprivate func replacingOccurrences(_ old: String, _ new: String) -> String { replacing(old, with: new) }
}
