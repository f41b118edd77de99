import MoontideCore
import MoontideLua
import MoontideSQLite
import Testing

@testable import MoontideRuntime

/// Upcasters at work: what handlers see of stored events.
struct UpcastingTests {
  /// One row an event that the handler sees.
  private func witness(_ types: [String], name: String = "seen", more: String = "") -> String {
    let functions = types.map { "[\"\($0)\"] = see" }.joined(separator: ", ")
    return """
      local function text(value)
        local parts = {}
        for name, part in pairs(value) do parts[#parts + 1] = name .. "=" .. tostring(part) end
        return table.concat(parts, " ")
      end
      local function see(event, db)
        if event.data.fails then error("cannot " .. event.type) end
        db.seen:put { n = event.position, id = event.id, what = event.type .. " " .. event.version .. " "
          .. event.key .. " " .. text(event.data) }
      end
      projection "\(name)" { schema = [[create table seen(n integer, id text, what text, primary key(n, id));]],
        \(more) on = { \(functions) } }
      """
  }

  private func rig(_ scripts: [String: String], _ publish: (TestProject) throws -> Void) throws -> HandlerRig
  {
    let project = try TestProject(scripts)
    #expect(project.catalog.diagnostics.filter { $0.severity == .error } == [])
    try publish(project)
    let rig = try HandlerRig(project, "seen")
    try rig.run()
    // published = applied + lag + held + dead + skipped
    let published = try StartPlan.matching(try project.definition("seen"), from: .start, log: project.log)
    let status = rig.status
    #expect(published == status.applied + UInt64(status.dead) + status.skipped, "\(status)")
    return rig
  }

  private let seen = "select n, id, what from seen order by n, id"

  @Test func `a renamed event reaches the handlers of its new type, through that type's chain`() throws {
    let upcasters = """
      upcaster "OrderCreated" {
        [1] = function(data) data.total = data.sum; data.sum = nil; return data end,
        [2] = function(data) return rename("OrderPlaced", data) end }
      upcaster "OrderPlaced" { [1] = function(data) data.cents = data.total * 100 data.total = nil return data end }
      """
    func publish(_ project: TestProject) throws {
      try project.publish("OrderCreated", key: "o-1", data: #"{"sum":3}"#)
      try project.publish("OrderCreated", key: "o-2", data: #"{"total":4}"#, version: 2)
      try project.publish("OrderCreated", key: "o-3", data: #"{"total":5}"#, version: 3)
      try project.publish("OrderPlaced", key: "o-4", data: #"{"cents":6}"#, version: 2)
    }
    let new = try rig(["u.lua": upcasters, "p.lua": witness(["OrderPlaced"])], publish)
    #expect(
      try new.rows(seen) == [
        "0|e-1|OrderPlaced 2 o-1 cents=300", "1|e-2|OrderPlaced 2 o-2 cents=400",
        "3|e-4|OrderPlaced 2 o-4 cents=6",
      ])
    #expect(new.status.applied == 3 && new.status.skipped == 0)
    let old = try rig(["u.lua": upcasters, "p.lua": witness(["OrderCreated"])], publish)
    #expect(try old.rows(seen) == ["2|e-3|OrderCreated 3 o-3 total=5"])
    #expect(old.status.applied == 1 && old.status.skipped == 0)
    let all = try rig(["u.lua": upcasters, "p.lua": witness(["*"])], publish)
    #expect(try all.rows(seen).count == 4 && all.status.applied == 4)
  }

  @Test func `a split event is seen part by part, each in the newest version of its type`() throws {
    let upcasters = """
      upcaster "OrderPlaced" { [1] = function(data, event)
        return split {
          events.OrderPlaced({ n = data.n }, { version = 2 }),
          events.DiscountGiven({ percent = data.discount }, { key = "d-" .. event.key }),
          events.Noted { text = "was " .. event.type },
        } end,
        [2] = function(data) data.newest = true return data end }
      upcaster "DiscountGiven" { [1] = function(data) data.rate = data.percent / 100 data.percent = nil return data end }
      """
    let both = try rig(["u.lua": upcasters, "p.lua": witness(["OrderPlaced", "DiscountGiven"])]) {
      try $0.publish("OrderPlaced", key: "o-1", data: #"{"n":1,"discount":50}"#)
      try $0.publish("OrderPlaced", key: "o-2", data: #"{"n":2}"#, version: 2)
    }
    #expect(
      try both.rows(seen) == [
        "0|e-1~1|OrderPlaced 3 o-1 n=1 newest=true", "0|e-1~2|DiscountGiven 2 d-o-1 rate=0.5",
        "1|e-2|OrderPlaced 3 o-2 n=2 newest=true",
      ])
    #expect(both.status.applied == 2, "one count for the event, not one for each part")
  }

  @Test func `what is dropped, or leaves nothing for the handler, is skipped and counted`() throws {
    let upcasters = """
      upcaster "A" { [1] = function(data)
        if data.test then return drop() end
        if data.b then return rename("B", data) end
        return data end }
      """
    let rig = try rig(["u.lua": upcasters, "p.lua": witness(["A"])]) {
      try $0.publish("A", data: #"{"test":true}"#)
      try $0.publish("A", data: #"{"b":true}"#)
      try $0.publish("A", data: #"{"c":1}"#)
    }
    #expect(try rig.rows(seen) == ["2|e-3|A 2 k c=1"])
    #expect(rig.status.applied == 1 && rig.status.skipped == 2)
  }

  @Test func `a part that fails undoes its siblings, and the stored event is the dead letter`() throws {
    let upcasters = """
      upcaster "A" { [1] = function(data)
        return split { events.B { n = 1 }, events.B { n = 2, fails = data.fails } } end }
      """
    let rig = try rig(["u.lua": upcasters, "p.lua": witness(["B"])]) {
      try $0.publish("A", data: #"{"fails":true}"#, id: "bad")
      try $0.publish("A", data: "{}", id: "good")
    }
    #expect(try rig.rows(seen) == ["1|good~1|B 1 k n=1", "1|good~2|B 1 k n=2"])
    #expect(rig.status.applied == 1 && rig.status.dead == 1)
    let letter = try #require(try (rig.stores[0] as? ProjectionStore)?.deadLetters().first)
    #expect(letter.eventType == "A" && letter.eventVersion == 1 && letter.eventID == Array("bad".utf8))
    #expect(letter.message == "cannot B" && letter.file == "p.lua")
  }

  @Test func `a step that returns nothing fails at its place, and nothing of the event is lost`() throws {
    let upcasters = """
      upcaster "A" {
        [1] = function(data)
          data.x = 1
        end }
      """
    let rig = try rig(["u.lua": upcasters, "p.lua": witness(["A"])]) { try $0.publish("A") }
    let report = try #require(rig.project.told.reports.withLock { $0 }.first)
    #expect(
      report.title == "projection seen failed on A: upcaster A [1] returned nothing: a forgotten return must "
        + "not lose facts")
    #expect(report.place?.file == "u.lua" && report.place?.line == 2)
    #expect(rig.status.dead == 1)
  }

  @Test func `a circle that only shows at run time ends in a dead letter`() throws {
    let upcasters = """
      local function version() return 1 end
      upcaster "A" { [1] = function(data) return rename("B", data, version()) end }
      upcaster "B" { [1] = function(data) return rename("A", data, version()) end }
      """
    let rig = try rig(["u.lua": upcasters, "p.lua": witness(["*"])]) { try $0.publish("A") }
    #expect(rig.status.dead == 1)
    #expect(rig.project.told.reports.withLock { $0 }.first?.title.contains("make ever more") == true)
  }

  @Test func `a wanted version stops the chain, or is led down to`() throws {
    let upcasters = """
      upcaster "A" {
        [1] = function(data) data.two = data.one data.one = nil return data end,
        [2] = function(data) return split { events.A({ three = data.two }, { version = 3 }), events.B {} } end,
        down = { [3] = function(data) return { two = data.three } end,
          [2] = function(data) return { one = data.two } end } }
      """
    func publish(_ project: TestProject) throws {
      try project.publish("A", data: #"{"one":1}"#)
      try project.publish("A", data: #"{"two":2}"#, version: 2)
      try project.publish("A", data: #"{"three":3}"#, version: 3)
      try project.publish("A", data: #"{"four":4}"#, version: 4)
    }
    let first = try rig(["u.lua": upcasters, "p.lua": witness(["A"], more: "wants = { A = 1 },")], publish)
    #expect(
      try first.rows(seen) == ["0|e-1|A 1 k one=1", "1|e-2|A 1 k one=2", "2|e-3|A 1 k one=3"])
    #expect(first.status.dead == 1)
    #expect(
      first.project.told.reports.withLock { $0 }.first?.title.hasSuffix(
        "nothing leads from version 4 of A to version 1, which `wants` asks for") == true)
    let second = try rig(["u.lua": upcasters, "p.lua": witness(["A"], more: "wants = { A = 2 },")], publish)
    #expect(
      try second.rows(seen) == ["0|e-1|A 2 k two=1", "1|e-2|A 2 k two=2", "2|e-3|A 2 k two=3"])
    let newest = try rig(["u.lua": upcasters, "p.lua": witness(["A"])], publish)
    #expect(
      try newest.rows(seen) == [
        "0|e-1~1|A 3 k three=1", "1|e-2~1|A 3 k three=2", "2|e-3|A 3 k three=3", "3|e-4|A 4 k four=4",
      ])
  }

  @Test func `a consumer's parts emit under one cause, and a parked split event is retried whole`() throws {
    let scripts = [
      "u.lua": """
      upcaster "A" { [1] = function(data) return split { events.B { n = 1 }, events.B { n = 2 } } end }
      """,
      "c.lua": """
      consumer "seen" { from = "start", retry = { attempts = 3, backoff = "1s" }, on = { B = function(event, ctx)
        ctx.state.tries = (ctx.state.tries or 0) + 1
        if event.data.n == 2 and event.key == "bad" then error "no" end
        ctx.emit(events.Out({ n = event.data.n, of = event.id }, { topic = "out" }))
      end } }
      """,
    ]
    let project = try TestProject(scripts)
    try project.publish("A", key: "good", id: "g")
    try project.publish("A", key: "bad", id: "b")
    try project.publish("A", key: "bad", id: "c")
    let rig = try HandlerRig(project, "seen")
    try rig.run()
    let out = try project.events(TopicName("out")!)
    #expect(out.map { $0[3] } == [#"{"n":1,"of":"g~1"}"#, #"{"n":2,"of":"g~2"}"#])
    #expect(out.allSatisfy { $0[4].hasPrefix(#"{"causationid":"g","#) }, "the cause is what the log has")
    #expect(Set(out.map { $0[2] }).count == 2)
    #expect(rig.status.applied == 1 && rig.status.dead == 1 && rig.status.held == 1)
    // Mended, it is tried again, and then what waited behind it.
    project.edit(["u.lua": scripts["u.lua"]!, "c.lua": scripts["c.lua"]!.replacing(#"error "no""#, with: "")])
    try project.decide("seen", Decision(.retry, [Position(1)]))
    let mended = try HandlerRig(project, "seen")
    try mended.run()
    #expect(
      try project.events(TopicName("out")!).map { $0[1] } == ["good", "good", "bad", "bad", "bad", "bad"])
    #expect(mended.status.applied == 3 && mended.status.dead == 0 && mended.status.held == 0)
  }

  @Test func `a part with a key of its own has the state of the key that is stored`() throws {
    let project = try TestProject([
      "u.lua": """
      upcaster "A" { [1] = function(data) return split { events.B(data, { key = "total" }) } end }
      """,
      "c.lua": """
      consumer "seen" { from = "start", on = { B = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit(events.Out({ n = ctx.state.n, key = event.key }, { topic = "out" }))
      end } }
      """,
    ])
    for key in ["a", "b", "a"] { try project.publish("A", key: key) }
    let rig = try HandlerRig(project, "seen")
    try rig.run()
    let out = try project.events(TopicName("out")!)
    // A lane owns the stored keys: two lanes would write one state of "total" and lose each other's.
    #expect(
      out.map { $0[3] } == [
        #"{"key":"total","n":1}"#, #"{"key":"total","n":1}"#, #"{"key":"total","n":2}"#,
      ])
    #expect(out.allSatisfy { $0[1] == "total" }, "what is emitted has the part's key: \(out)")
  }

  /// Ways to make B of A that a text may hide; all of them reach a handler of B alone.
  @Test(arguments: [
    "local rename = rename\nupcaster 'A' { [1] = function(data) return rename('B', data) end }",
    "upcaster 'A' { [1] = function(data) return _G.rename('B', data) end }",
    "local _ENV = _ENV\nupcaster 'A' { [1] = function(data) return _ENV['rename']('B', data) end }",
    "local steps = {}\ntable.insert(steps, function(data) return rename('B', data) end)\n"
      + "upcaster 'A' { [1] = function(data) return steps[1](data) end }",
    "local other, go\nother, go = nil, function(data) return rename('B', data) end\n"
      + "upcaster 'A' { [1] = function(data) return go(data) end }",
    """
    upcaster "A" { [1] = function(data) local parts = { events.C { x = 1 } } local second = {}
      second.type = "B" second.data = { x = 2 } parts[#parts + 1] = second return split(parts) end }
    """,
    """
    upcaster "A" { [1] = function(data)
      return split { events.C { x = 1 }, { ["type"] = "B", data = { x = 2 } } } end }
    """,
    """
    local function words(s) local split = {} for w in s:gmatch("%a+") do split[#split + 1] = w end return split end
    upcaster "A" { [1] = function(data) return split { events.C { x = 1 }, events.B { x = #words("a b") } } end }
    """,
    """
    upcaster "A" { [1] = function(data) local e = events local kind = "B"
      return split { e.C { x = 1 }, e[kind] { x = 2 } } end }
    """,
    """
    local function fix(data) return data, 2 end
    upcaster "A" { [1] = function(data) return rename("B", fix(data)) end }
    upcaster "B" { [1] = function(data) return rename("Z", data) end }
    """,
    """
    upcaster "A" { [1] = function(data) return split { events.B(data, { version = 1 + 1 }) } end }
    upcaster "B" { [1] = function(data) return rename("Z", data) end }
    """,
    """
    upcaster "A" { [1] = function(data) return split { events.Y(data, { meta = { version = 3 } }) } end }
    upcaster "Y" { [1] = function(data) return rename("B", data) end }
    """,
  ])
  func `no way of writing a step keeps its events from who handles them`(_ upcasters: String) throws {
    let rig = try rig(["u.lua": upcasters, "p.lua": witness(["B"])]) {
      try $0.publish("A", data: #"{"x":1}"#)
    }
    #expect(try rig.rows("select count(*) from seen") == ["1"])
    #expect(rig.status.applied == 1 && rig.status.dead == 0)
  }

  @Test func `a step that leaves some events as they are reaches who handles these`() throws {
    let upcasters = """
      local function only(f) return function(d, e) if d.x > 100 then return f(d, e) end return d end end
      upcaster "A" { [1] = only(function(data) return rename("B", data) end) }
      """
    let rig = try rig(["u.lua": upcasters, "p.lua": witness(["A"])]) {
      try $0.publish("A", data: #"{"x":1}"#)
      try $0.publish("A", data: #"{"x":101}"#)
    }
    #expect(try rig.rows(seen) == ["0|e-1|A 2 k x=1"])
  }

  @Test func `a correction goes through the chain from the version that is stored`() throws {
    let scripts = [
      "u.lua": """
      upcaster "A" { [1] = function(data) return rename("B", { n = data.total * 2 }) end }
      """, "p.lua": witness(["B"]),
    ]
    let project = try TestProject(scripts)
    let bad = try project.publish("A", data: #"{"total":"x"}"#)
    let first = try HandlerRig(project, "seen")
    try first.run()
    #expect(first.status.dead == 1)
    try project.decide(
      "seen", Decision(.correct, [bad], data: Array(#"{"total":21}"#.utf8)))
    let fresh = try TestProject(scripts, over: project)
    let rig = try HandlerRig(fresh, "seen", decided: 1)
    try rig.run()
    #expect(try rig.rows(seen) == ["0|e-1|B 1 k n=42"])
  }

  @Test(arguments: [1, 2, 50])
  func `what is seen does not depend on the batch`(records: Int) throws {
    let upcasters = """
      upcaster "A" { [1] = function(data)
        if data.n % 3 == 0 then return drop() end
        if data.n % 3 == 1 then return split { events.B { n = data.n }, events.C { n = data.n } } end
        return rename("C", data) end }
      """
    let project = try TestProject(["u.lua": upcasters, "p.lua": witness(["B", "C"])])
    for n in 0..<40 { try project.publish("A", key: "k-\(n % 5)", data: "{\"n\":\(n)}") }
    let rig = try HandlerRig(project, "seen", batchRecords: records)
    try rig.run()
    // 13 events are split in two, 13 are renamed, 14 are dropped.
    let split = (0..<40).filter { $0 % 3 == 1 }.reduce(0, +)
    let renamed = (0..<40).filter { $0 % 3 == 2 }.reduce(0, +)
    #expect(try rig.rows("select count(*), sum(n) from seen") == ["39|\(2 * split + renamed)"])
    #expect(rig.status.applied == 26 && rig.status.skipped == 14)
  }
}
