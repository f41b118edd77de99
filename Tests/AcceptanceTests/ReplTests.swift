import Foundation
import Testing

/// The REPL as a person meets it: in a terminal of its own, or with a file as its input.
@Suite struct ReplTests {
  /// The project of the template, with everything applied; its folder is called shop.
  private func shop() throws -> Shop { try Shop() }

  final class Shop {
    let parent = FileManager.default.temporaryDirectory.appending(path: "moontide-repl-\(UUID().uuidString)")
    var path: String { parent.appending(path: "shop").path }

    init() throws {
      try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
      try Binary.succeed(["new", path, "--template", "shop", "-q"])
      try Binary.succeed(["run", path, "--once", "-q"])
    }

    deinit { Binary.cleanUp(parent) }

    func ask(_ input: String, _ more: [String] = []) throws -> Binary.Outcome {
      try Binary.run(["repl", path] + more, deadline: .seconds(60), input: input)
    }
  }

  private static let large = """
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000000) select i, 'row' from n;
    """

  // MARK: In a terminal

  @Test func `lines become statements, Tab completes, arrow up finds them, also after a restart`() throws {
    let shop = try shop()
    do {
      let terminal = try PseudoTerminal(["repl", shop.path])
      try terminal.wait(for: "shop> ")
      try terminal.enter("select status, count(*) as n", expecting: "...> ")
      // Only what Tab adds is written.
      var mark = terminal.mark
      try terminal.type("from order_st\t")
      try terminal.wait(for: "atus.", after: mark)
      try terminal.type("ord\t")
      try terminal.enter("group by status;", expecting: "6 rows")
      #expect(terminal.text.contains("payment failed"))
      mark = terminal.mark
      try terminal.type(PseudoTerminal.up)
      let whole = "select status, count(*) as n from order_status.orders group by status;"
      try terminal.wait(for: whole, after: mark)
      try terminal.enter("", expecting: "6 rows")
      try terminal.type(PseudoTerminal.end)
      #expect(try terminal.status() == 0)
    }
    let history = shop.path + "/.moontide/history"
    let permissions = try FileManager.default.attributesOfItem(atPath: history)[.posixPermissions] as? Int
    #expect(permissions == 0o600)
    let terminal = try PseudoTerminal(["repl", shop.path])
    try terminal.wait(for: "shop> ")
    let mark = terminal.mark
    try terminal.type(PseudoTerminal.up)
    try terminal.wait(for: "select status, count(*) as n from order_status.orders", after: mark)
    try terminal.type("\u{12}")
    try terminal.wait(for: "bck", after: mark)
  }

  @Test func `a command below an unfinished statement is pointed out`() throws {
    let shop = try shop()
    let terminal = try PseudoTerminal(["repl", shop.path])
    try terminal.wait(for: "shop> ")
    try terminal.enter("select 1", expecting: "...> ")
    try terminal.enter(".tables", expecting: ".tables became part of the statement above")
  }

  @Test func `Ctrl-C stops an answer of ten million rows and leaves little memory behind`() throws {
    let shop = try shop()
    let terminal = try PseudoTerminal(["repl", shop.path])
    try terminal.wait(for: "shop> ")
    try terminal.type(Self.large + "\r")
    try terminal.wait(for: "20000  row")
    try stop(terminal)
    #expect(try terminal.peakBytes() < 250 << 20)
    let rows = try terminal.enter("select count(*) from _;", expecting: "1 row")
    #expect(rows.contains("10000"))
    try terminal.enter("select count(*) from orders;", expecting: "16")
  }

  @Test func `Ctrl-C stops a count without rows and a loop of Lua, and clears a line`() throws {
    let shop = try shop()
    let terminal = try PseudoTerminal(["repl", shop.path])
    try terminal.wait(for: "shop> ")
    try terminal.type(
      "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;\r")
    try stop(terminal)
    try terminal.enter("> x = 7 print(x * 11)", expecting: "77")
    let loop = "print(1000 + 1) while true do pcall(function() while true do end end) end"
    try terminal.type("> " + loop + "\r")
    try terminal.wait(for: "1001")
    try stop(terminal)
    // Variables outlive it.
    try terminal.enter("= x * 6", expecting: "42")
    var mark = terminal.mark
    try terminal.type("select nonsense" + PseudoTerminal.interrupt)
    let cleared = try terminal.wait(for: "shop> ", after: mark + 15)
    #expect(!cleared.contains("Ctrl-D"))
    mark = terminal.mark
    try terminal.type(PseudoTerminal.interrupt)
    try terminal.wait(for: "Ctrl-D or .quit ends", after: mark)
    try terminal.wait(for: "shop> ", after: mark)
    try terminal.type(PseudoTerminal.end)
    #expect(try terminal.status() == 0)
  }

  /// Presses Ctrl-C until it says that it has stopped: one that comes before the statement runs is a
  /// character for the prompt behind it.
  private func stop(_ terminal: PseudoTerminal) throws {
    let mark = terminal.mark
    for _ in 0..<60 {
      try terminal.type(PseudoTerminal.interrupt)
      guard try terminal.writes("stopped", after: mark, within: .milliseconds(500)) else { continue }
      // Behind the answer to this, nothing is on its way any more.
      try terminal.type("> print('syn' .. 'c')\r")
      try terminal.wait(for: "sync\r\nshop> ", after: mark)
      return
    }
    throw Fault("Ctrl-C does not stop it: \(terminal.text.suffix(500))")
  }

  @Test func `a live answer is drawn again as events arrive, and ends with Ctrl-C`() throws {
    let shop = try shop()
    let run = try LiveRun(["run", shop.path])
    let terminal = try PseudoTerminal(["repl", shop.path])
    try terminal.wait(for: "shop> ")
    try terminal.type(".live select 'orders ' || count(*) as there_are from orders\r")
    try terminal.wait(for: "orders 16")
    try Binary.succeed([
      "append", "OrderCancelled", "-C", shop.path, "-d", "{}", "--key", "o-9001", "--topic", "orders",
    ])
    try terminal.wait(for: "orders 17")
    let mark = terminal.mark
    try terminal.type(PseudoTerminal.interrupt)
    try terminal.wait(for: "shop> ", after: mark)
    // The run is there still: system tables come from it.
    try terminal.enter("select state from sys.handlers where name = 'receipts';", expecting: "running")
    #expect(run.interrupt() == 0)
    try terminal.enter("select state from sys.handlers where name = 'receipts';", expecting: "stopped")
    // Nor is the project held between statements.
    try Binary.succeed(["run", shop.path, "--once", "-q"])
  }

  @Test func `the past has a prompt of its own, and stands beside the present under a name`() throws {
    let shop = try shop()
    let terminal = try PseudoTerminal(["repl", shop.path])
    try terminal.wait(for: "shop> ")
    try terminal.enter(".as-of 2026-03-03", expecting: "shop @2026-03-03> ")
    try terminal.enter("select 'there were ' || count(*) as n from orders;", expecting: "there were 7")
    try terminal.enter(".as-of off", expecting: "shop> ")
    try terminal.enter(".attach then_ 2026-03-03", expecting: "as of 2026-03-03T23:59:59.999999Z")
    try terminal.enter(
      "select count(*) || ' changed' as n from orders n join then_.orders o using(order_id) "
        + "where o.status <> n.status;",
      expecting: "4 changed")
  }

  @Test func `a long answer goes to the pager, whole, and a missing pager is told once`() throws {
    let shop = try shop()
    let paged = shop.parent.appending(path: "paged").path
    do {
      let terminal = try PseudoTerminal(["repl", shop.path], environment: ["PAGER": "tee \(paged)"])
      try terminal.wait(for: "shop> ")
      try terminal.enter("select position from sys.events;", expecting: "66 rows")
      let lines = try String(contentsOfFile: paged, encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 68)
      try FileManager.default.removeItem(atPath: paged)
      try terminal.enter("select 1;", expecting: "1 row")
      #expect(!FileManager.default.fileExists(atPath: paged), "a short answer was paged")
    }
    let terminal = try PseudoTerminal(["repl", shop.path], environment: ["PAGER": "no-such-pager -x"])
    try terminal.wait(for: "shop> ")
    let told = try terminal.enter("select position from sys.events;", expecting: "66 rows")
    #expect(told.contains("PAGER names no-such-pager"))
    let again = try terminal.enter("select position from sys.events;", expecting: "66 rows")
    #expect(!again.contains("PAGER names"))
  }

  @Test func `a pager that is left early ends the answer`() throws {
    let shop = try shop()
    let terminal = try PseudoTerminal(["repl", shop.path], environment: ["PAGER": "head -n 3"])
    try terminal.wait(for: "shop> ")
    try terminal.enter(Self.large, expecting: "stopped after")
    try terminal.enter("select 'still ' || 'there' as it;", expecting: "still there")
  }

  // MARK: With a file as its input

  @Test func `piped input gives plain rows, names the line of what is wrong, and ends with 2`() throws {
    let shop = try shop()
    let good = try shop.ask("-- how many\nselect count(*) as n\nfrom orders;\nselect 1 as one", ["--json"])
    #expect(good.status == 0)
    #expect(good.output == "[\n{\"n\":16}\n]\n[\n{\"one\":1}\n]\n")
    #expect(good.errors == "")
    let input = "select 1 as a;\n\nselect b\nfrom ordres;\n.tabels\nselect 2 as c;\n"
    let bad = try shop.ask(input, ["-o", "csv"])
    #expect(bad.status == 2)
    #expect(bad.output == "a\r\n1\r\nc\r\n2\r\n")
    #expect(bad.errors.contains("stdin:4:6"))
    #expect(bad.errors.contains("did you mean orders?"))
    #expect(bad.errors.contains("did you mean .tables?"))
  }

  @Test func `the last result is a table in SQL and a list in Lua, both ways`() throws {
    let outcome = try shop().ask(
      """
      .mode csv
      select order_id, total_cents from orders order by 1 limit 2;
      = _[2].order_id, #_, _[1].total_cents / 2
      = query "select status, count(*) n from orders group by 1"
      select status from _ where n = 7;
      > t = { { a = 1 }, { a = 2, b = "x" } }
      = t
      select sum(a) as s, max(b) as b from _;
      = { 3, 4 }
      select sum(value) as s from _;
      """)
    #expect(outcome.errors == "")
    #expect(outcome.status == 0)
    for expected in ["\"o-1002\"\n2\n2115.0\n", "status\r\ndelivered\r\n", "s,b\r\n3,x\r\n", "s\r\n7\r\n"] {
      #expect(outcome.output.contains(expected), "\(expected) is not in \(outcome.output)")
    }
  }

  @Test func `handlers are functions that tell what they would write, and write nowhere`() throws {
    let shop = try shop()
    let files = ["readmodels/order_status", "readmodels/revenue", "handlers/receipts"].map {
      "\(shop.path)/data/\($0).sqlite"
    }
    let before = try files.map { try Sqlite.dump($0) }
    let outcome = try shop.ask(
      """
      = event(0).data.total_cents, event(0).version
      = order_status.OrderPlaced { type = "OrderPlaced", key = "o-9", data = { customer = "new" } }
      select does, "table", json_valid(after) from _;
      = revenue.PaymentCompleted(19)
      = receipts.PaymentCompleted(19)
      = OrderPlaced[1] { total = 12.5 }
      = order_statu.OrderPlaced(0)
      = receipts.PaymentCompleted { type = "PaymentCompleted", data = {} }
      """)
    #expect(outcome.status == 2)
    for expected in [
      "4230\n2\n", "does = \"put\"", "customer = \"new\"", "does = \"add\"", "does = \"emit\"",
      "type = \"ReceiptRequested\"", "does = \"state\"", "{ total_cents = 1250 }",
    ] { #expect(outcome.output.contains(expected), "\(expected) is not in \(outcome.output)") }
    #expect(outcome.errors.contains("did you mean order_status?"))
    #expect(outcome.errors.contains("lib/money.lua"))
    #expect(try files.map { try Sqlite.dump($0) } == before)
    let left = try FileManager.default.contentsOfDirectory(atPath: shop.path + "/.moontide")
    #expect(left.filter { $0.hasPrefix("desk") } == [])
  }

  @Test func `saved queries are listed, asked, saved, and never overwritten`() throws {
    let shop = try shop()
    let outcome = try shop.ask(
      """
      .run
      .run statsu
      select count(*) as many from orders;
      .save many
      .run many
      .save many
      .output \(shop.parent.path)/out.csv
      .mode csv
      .run many
      .output off
      """)
    #expect(outcome.status == 2)
    #expect(outcome.output.contains("Revenue per day"))
    #expect(outcome.errors.contains("did you mean .run status?"))
    #expect(outcome.errors.contains("nothing is overwritten"))
    let saved = try String(contentsOfFile: shop.path + "/queries/many.sql", encoding: .utf8)
    #expect(saved == "-- many\nselect count(*) as many from orders;\n")
    let written = try String(contentsOfFile: shop.parent.path + "/out.csv", encoding: .utf8)
    #expect(written == "many\r\n16\r\n")
  }

  @Test func `a statement reads only, and is stopped after its time`() throws {
    let outcome = try shop().ask(
      """
      delete from orders;
      .timeout 0.5
      with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;
      > while true do end
      """)
    #expect(outcome.status == 2)
    #expect(outcome.errors.contains("queries only read"))
    #expect(outcome.errors.contains(".timeout SECONDS"))
    #expect(outcome.errors.contains("time budget: 500 ms"))
  }
}
