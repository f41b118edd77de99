import MoontideCore
import Testing

@testable import MoontideRuntime

private let orders = """
  projection "orders" {
    schema = [[create table orders(id text primary key, status text not null, cents integer);
      create table sums(customer text primary key, cents integer not null)]],
    on = {
      OrderPlaced = function(event, db)
        db.orders:put { id = event.key, status = "placed", cents = event.data.cents }
        db.sums:add(event.data.customer, { cents = event.data.cents })
      end,
      OrderCancelled = function(event, db) db.orders:update(event.key, { status = "cancelled" }) end,
    },
  }
  """

private let receipts = """
  consumer "receipts" {
    on = { OrderPlaced = function(event, ctx)
      if event.data.bad then error("no receipt") end
      ctx.state.seen = (ctx.state.seen or 0) + 1
      ctx.emit(events.ReceiptSent({ order = event.key, nth = ctx.state.seen }, { topic = "receipts" }))
    end },
    retry = { attempts = 3, backoff = "1s" },
  }
  """

struct HandlerWorkerTests {
  @Test func `a projection folds the log and stands at its end`() throws {
    let project = try TestProject(["handlers/orders.lua": orders])
    for index in 0..<300 {
      try project.publish(
        "OrderPlaced", key: "o-\(index % 100)", data: #"{"customer":"c-\#(index % 3)","cents":\#(index)}"#)
    }
    try project.publish("OrderCancelled", key: "o-7")
    try project.publish("Unheard")
    let rig = try HandlerRig(project, "orders")
    try rig.run()
    #expect(
      try rig.rows("select * from orders where id in ('o-7', 'o-8')") == [
        "o-7|cancelled|207", "o-8|placed|208",
      ])
    #expect(try rig.rows("select * from sums order by 1") == ["c-0|14850", "c-1|14950", "c-2|15050"])
    #expect(rig.status.applied == 301 && rig.status.dead == 0 && rig.status.held == 0)
    let ledger = try rig.stores[0].ledger()
    #expect(ledger.applied == 301)
    #expect(Set(ledger.checkpoints.values) == [project.log.durableEnd])
    #expect(ledger.checkpoints.count == 4)
  }

  @Test func `a failing event of a projection is set aside and leaves nothing, the others count`() throws {
    let project = try TestProject(["handlers/orders.lua": orders])
    try project.publish("OrderPlaced", key: "o-1", data: #"{"customer":"c","cents":5}"#)
    let bad = try project.publish("OrderPlaced", key: "o-2", data: #"{"cents":7}"#, id: "om-77")
    try project.publish("OrderPlaced", key: "o-3", data: #"{"customer":"c","cents":11}"#)
    let rig = try HandlerRig(project, "orders")
    try rig.run()
    #expect(try rig.rows("select id from orders order by 1") == ["o-1", "o-3"])
    #expect(try rig.rows("select * from sums") == ["c|16"])
    #expect(rig.status.applied == 2 && rig.status.dead == 1 && rig.status.degradedSince == bad)
    let report = try #require(project.told.reports.withLock { $0 }.first)
    #expect(report.title.hasPrefix("projection orders failed on OrderPlaced: "))
    #expect(report.place?.file == "handlers/orders.lua" && report.place?.line == 7)
    let details = Dictionary(uniqueKeysWithValues: report.details.map { ($0.label, $0.text) })
    let partition = Partitioner.partition(Array("o-2".utf8), ByteRange(start: 0, count: 3), of: 4)
    #expect(details["event"]?.hasPrefix("events/\(partition)@") == true)
    #expect(
      details["event"]?.hasSuffix("(#1) · id om-77 · OrderPlaced v1 · key o-2 · 2026-11-17T09:00:00+01:00")
        == true)
    #expect(details["note"] == "event.data has: cents")
    #expect(details["state"] == "dead letter d-1; the read model is degraded since #1 until it is rebuilt")
    #expect(details["help"]?.hasPrefix("moontide dead show d-1 · moontide explain E03") == true)
  }

  @Test func `an index of nil is told with its place, the blamed name and the fields that are there`() throws
  {
    let project = try TestProject([
      "handlers/r.lua": """
      consumer "receipts" { from = "start", retry = { attempts = 1 }, on = { OrderPlaced = function(event, ctx)
        ctx.emit { type = "Mail",
          to = event.data.customer.email, data = {} }
      end } }
      """
    ])
    try project.publish(
      "OrderPlaced", key: "o-77", data: #"{"order_id":1,"name":"x","amount":2}"#, id: "om-77")
    try project.publish("OrderPlaced", key: "o-77", data: #"{}"#)
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    let report = try #require(project.told.reports.withLock { $0 }.first)
    #expect(
      report.title
        == "consumer receipts failed on OrderPlaced: attempt to index a nil value (field 'customer')")
    #expect(
      report.place
        == SourcePlace(
          file: "handlers/r.lua", line: 3, column: 21, width: 8, label: "nil here",
          excerpt: "    to = event.data.customer.email, data = {} }"))
    #expect(report.code == "E0301")
    #expect(report.details.contains(.init("note", "event.data has: amount, name, order_id")))
    #expect(rig.status.dead == 1 && rig.status.held == 1 && rig.status.parkedDead == 1)
  }

  @Test func `a failing key waits and is tried again while others go on, then is a dead letter`() throws {
    let project = try TestProject(["handlers/r.lua": receipts])
    try project.publish("OrderPlaced", key: "a", data: #"{"bad":true}"#)
    try project.publish("OrderPlaced", key: "b")
    try project.publish("OrderPlaced", key: "a")
    try project.publish("OrderPlaced", key: "a")
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    let emitted = try project.events(TopicName("receipts")!)
    #expect(emitted.map { $0[1] } == ["b"])
    #expect(emitted.first?[3] == #"{"nth":1,"order":"b"}"# || emitted.first?[3] == #"{"order":"b","nth":1}"#)
    let ledger = try rig.stores[0].ledger()
    #expect(ledger.parked.map(\.status) == [.dead] && ledger.parked.first?.attempts == 3)
    #expect(ledger.parked.first?.held == [Position(2), Position(3)])
    #expect(ledger.applied == 1 && ledger.deadLetters == 1)
    #expect(rig.status.held == 2 && rig.status.parkedDead == 1)
    let states = project.told.reports.withLock { $0 }.map { report in
      report.details.first { $0.label == "state" }?.text ?? ""
    }
    #expect(
      states == [
        "attempt 1 of 3; key a waits for the next, other keys go on",
        "attempt 2 of 3; key a waits for the next, other keys go on",
        "attempt 3 of 3 → dead letter d-0; 2 later events of key a are held, other keys go on",
      ])
  }

  @Test func `skip lets the key go on behind its dead letter, in order`() throws {
    let script = receipts.replacing("retry =", with: "exhausted = \"skip\", retry =")
    let project = try TestProject(["handlers/r.lua": script])
    try project.publish("OrderPlaced", key: "a", data: #"{"bad":true}"#)
    try project.publish("OrderPlaced", key: "a")
    try project.publish("OrderPlaced", key: "a", data: #"{"bad":true}"#)
    try project.publish("OrderPlaced", key: "a")
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    #expect(try project.events(TopicName("receipts")!).count == 2)
    #expect(rig.status.applied == 2 && rig.status.dead == 2 && rig.status.held == 0)
    #expect(try rig.stores[0].ledger().parked.isEmpty)
  }

  @Test func `halt stops at the event and keeps what came before it`() throws {
    let project = try TestProject([
      "handlers/p.lua": orders.replacing("on = {\n    Order", with: "exhausted = \"halt\", on = {\n    Order")
    ])
    try project.publish("OrderPlaced", key: "o-1", data: #"{"customer":"c","cents":5}"#)
    try project.publish("OrderPlaced", key: "o-2", data: #"{"cents":7}"#)
    try project.publish("OrderPlaced", key: "o-3", data: #"{"customer":"c","cents":5}"#)
    let rig = try HandlerRig(project, "orders")
    try rig.run()
    #expect(rig.workers[0].step() == .finished)
    #expect(try rig.rows("select id from orders") == ["o-1"])
    #expect(rig.status.halted?.code.hasPrefix("E03") == true)
    let details = rig.status.halted?.details.filter { $0.label == "state" || $0.label == "help" }.map(\.text)
    #expect(
      details?.first == "dead letter d-1; the handler stopped here, as exhausted = \"halt\" says",
      "\(details ?? [])")
    #expect(details?.last?.hasPrefix("moontide dead show d-1 · ") == true)
    // The event is a letter that a person can act on, and is not counted as lag, too.
    let ledger = try rig.stores[0].ledger()
    #expect(rig.status.dead == 1 && ledger.deadCodes.keys.sorted() == [Position(1)] && ledger.applied == 1)
    #expect(Set(ledger.checkpoints.values) == [Position(2)])
  }

  @Test func `a tripped budget is a failure of its event only`() throws {
    let project = try TestProject([
      "handlers/c.lua": """
      consumer "c" { retry = { attempts = 1 }, on = { A = function(event, ctx)
        if event.data.loop then while true do end end
        ctx.emit { type = "B", data = {}, topic = "out" }
      end } }
      """
    ])
    try project.publish("A", key: "a")
    try project.publish("A", key: "b", data: #"{"loop":true}"#)
    try project.publish("A", key: "c")
    let rig = try HandlerRig(project, "c")
    try rig.run()
    #expect(try project.events(TopicName("out")!).map { $0[1] } == ["a", "c"])
    #expect(project.told.codes == ["E0302"])
  }

  @Test func `an old event reaches its handler in the newest version`() throws {
    let project = try TestProject([
      "handlers/u.lua": """
      upcaster "OrderPlaced" {
        [1] = function(data) data.cents = data.total * 100; data.total = nil; return data end,
        [2] = function(data) data.customer = data.customer or "nobody"; return data end,
      }
      """, "handlers/orders.lua": orders,
    ])
    try project.publish("OrderPlaced", key: "o-1", data: #"{"total":3}"#)
    try project.publish("OrderPlaced", key: "o-2", data: #"{"cents":4}"#, version: 2)
    try project.publish("OrderPlaced", key: "o-3", data: #"{"cents":5,"customer":"c"}"#, version: 3)
    let rig = try HandlerRig(project, "orders")
    try rig.run()
    #expect(try rig.rows("select id, cents from orders order by 1") == ["o-1|300", "o-2|4", "o-3|5"])
    #expect(try rig.rows("select * from sums order by 1") == ["c|5", "nobody|304"])
  }

  @Test func `lanes share the work of a consumer and every event is handled once`() throws {
    let script = receipts.replacing("retry =", with: "lanes = 3, retry =")
    let project = try TestProject(["handlers/r.lua": script])
    for index in 0..<60 { try project.publish("OrderPlaced", key: "k-\(index % 12)") }
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    let emitted = try project.events(TopicName("receipts")!)
    #expect(emitted.count == 60 && Set(emitted.map { $0[2] }).count == 60)
    #expect(rig.workers.reduce(0) { $0 + $1.board.status.applied } == 60)
    #expect(try rig.stores[0].ledger().applied == 60)
    #expect(rig.relay?.board.status.relayed == 60)
    #expect(rig.workers.reduce(0) { $0 + $1.board.status.emitted } == 60)
  }

  @Test func `a chain of events causing events ends in a dead letter`() throws {
    let project = try TestProject([
      "handlers/c.lua": """
      consumer "c" { retry = { attempts = 1 }, on = { A = function(event, ctx)
        ctx.emit { type = "A", data = {} }
      end } }
      """
    ])
    try project.publish("A", meta: #"{"correlationid":"x-1","traceparent":"00-ab"}"#)
    let rig = try HandlerRig(project, "c")
    try rig.run()
    let events = try project.events(.events)
    #expect(events.count == Limits.causationDepthDefault + 1)
    #expect(
      events[1][4]
        == #"{"causationid":"e-1","correlationid":"x-1","traceparent":"00-ab","causationdepth":1}"#)
    #expect(project.told.codes == ["E0309"])
  }

  @Test(arguments: [1, 7, 1_000])
  func `rows, dead letters and checkpoints do not depend on the batch`(records: Int) throws {
    let project = try TestProject(["handlers/orders.lua": orders])
    for index in 0..<50 {
      let customer = index % 9 == 4 ? "" : #""customer":"c-\#(index % 4)","#
      try project.publish("OrderPlaced", key: "o-\(index % 20)", data: "{\(customer)\"cents\":\(index)}")
    }
    let rig = try HandlerRig(project, "orders", batchRecords: records)
    try rig.run()
    let good = (0..<50).filter { $0 % 9 != 4 }
    let sums = (0..<4).map { customer in
      "c-\(customer)|\(good.filter { $0 % 4 == customer }.reduce(0, +))"
    }
    #expect(try rig.rows("select * from sums order by 1") == sums)
    let ledger = try rig.stores[0].ledger()
    #expect(ledger.applied == UInt64(good.count) && ledger.deadLetters == 50 - good.count)
    #expect(ledger.degradedSince == Position(4))
    #expect(Set(ledger.checkpoints.values) == [Position(50)])
  }

  @Test func `a handler that begins now keeps that place over a restart before its first event`() throws {
    let project = try TestProject([
      "handlers/r.lua": receipts.replacing("retry =", with: "from = \"now\", retry =")
    ])
    try project.publish("OrderPlaced", key: "old")
    _ = try HandlerRig(project, "receipts")
    try project.publish("OrderPlaced", key: "new")
    try HandlerRig(project, "receipts").run()
    #expect(try project.events(TopicName("receipts")!).map { $0[1] } == ["new"])
  }

  @Test func `what a script prints carries the place of its event`() throws {
    let project = try TestProject([
      "handlers/c.lua": "consumer \"c\" { on = { A = function(event, ctx) print(event.key, 1) end } }"
    ])
    try project.publish("A", key: "x")
    try HandlerRig(project, "c").run()
    let partition = Partitioner.partition(Array("x".utf8), ByteRange(start: 0, count: 1), of: 4)
    #expect(project.told.prints.withLock { $0 } == ["events/\(partition)@0 (#0) x\t1"])
  }

  @Test func `a field that an event does not have is told once, with where it is asked for`() throws {
    let project = try TestProject([
      "handlers/c.lua": """
      consumer "b" { on = { B = function(event, ctx) local name = event.data.custmer end } }
      consumer "c" { on = {
        A = function(event, ctx)
          local name, other = event.data.custmer, event.data.quite_other
        end,
        ["*"] = function(event, ctx) local other = event.data.of_some_types end,
      } }
      """
    ])
    try project.publish("A", data: #"{"customer":1}"#)
    try project.publish("A", data: #"{"customer":1}"#)
    try project.publish("Other")
    try HandlerRig(project, "c").run()
    let missed = project.told.missed.withLock { $0 }
    #expect(missed.map(\.field) == ["custmer", "quite_other"])
    #expect(missed.map(\.place.line) == [4, 4] && missed[0].handler == "consumer c")
    let warning = missed[0].warning(names: ["amount", "customer"])
    #expect(warning.code == "E0330" && warning.severity == .warning)
    #expect(warning.details == [.init("help", "did you mean `customer`?")])
    #expect(missed[1].warning(names: ["b", "a"]).details == [.init("help", "they have: a, b")])
  }

  @Test func `a function of several types may ask each for what only others have`() throws {
    let project = try TestProject([
      "handlers/c.lua": """
      local function look(event) return event.data.issue or event.data.request end
      local function own(event) return event.data.custmer end
      local on = { A = look }
      consumer "c" { on = { A = look, B = look, C = own } }
      consumer "d" { on = on }
      """
    ])
    for type in ["A", "B", "C"] { try project.publish(type, data: #"{"request":1,"customer":1}"#) }
    for handler in ["c", "d"] { try HandlerRig(project, handler).run() }
    #expect(project.told.missed.withLock { $0.map(\.field) } == ["custmer"])
  }

  @Test func `events that come with the handler's first topic are handled without another bell`() throws {
    let project = try TestProject([
      "handlers/c.lua": "consumer \"c\" { on = { A = function(event, ctx) print(event.id) end } }"
    ])
    let rig = try HandlerRig(project, "c")
    #expect(rig.workers[0].step() == .idle(for: Limits.idlePause))
    try project.publish("A", id: "a-1")
    while case .progressed = rig.workers[0].step() {}
    #expect(project.told.prints.withLock { $0 }.count == 1)
  }
}
