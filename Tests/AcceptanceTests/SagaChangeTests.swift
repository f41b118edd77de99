import Foundation
import Testing

/// An edit of a saga's script with 100 open instances: refused, migrated, and pinned.
@Suite(.serialized) struct SagaChangeTests {
  private static let deciders = """
    local function noted(command)
      return events.Noted { order = command.data.order, what = command.type }
    end
    decider "desk" {
      topic = "desk", key = "order",
      decide = {
        Reserve = noted, Release = noted, Charge = noted, Refund = noted, Invoice = noted, Void = noted,
        Ship = noted, Confirm = noted, Cancel = noted,
      },
      evolve = { Noted = function(state) return state end },
    }
    """

  /// - Parameters:
  ///   - step: the second one of three, with the type that says it is done and what undoes it.
  ///   - more: further keys of the saga.
  private static func saga(_ step: String, _ type: String, _ undo: String, more: String = "") -> String {
    func send(_ command: String) -> String {
      "function(state) return commands.\(command) { order = state.order } end"
    }
    return """
      saga "orders" {
        starts_on = "Ordered", from = "start",
        correlate = function(event) return event.data.order end,
        initial = function(event) return { order = event.data.order } end,
        \(more)
        steps = {
          { name = "reserve", send = \(send("Reserve")),
            succeeds_on = "Reserved", compensate = \(send("Release")) },
          { name = "\(step.lowercased())", send = \(send(step)),
            succeeds_on = "\(type)", fails_on = "Refused", compensate = \(send(undo)) },
          { name = "ship", send = \(send("Ship")), succeeds_on = "Shipped" },
        },
        completed = \(send("Confirm")),
        compensated = \(send("Cancel")),
      }
      """
  }

  private static let before = saga("Charge", "Paid", "Refund")

  private static func edited(_ more: String) -> String { saga("Invoice", "Invoiced", "Void", more: more) }

  private static let migrate = """
    migrate = function(state, step)
      if step == "charge" then return state, "invoice" end
    end,
    """

  private func publish(_ project: TestProject, _ type: String, _ orders: Range<Int>) throws {
    let lines = orders.map { order in
      #"{"id":"\#(type)-\#(order)","type":"\#(type)","key":"o-\#(order)","data":{"order":"o-\#(order)"}}"#
    }
    let file = "events/\(type)-\(orders.lowerBound).jsonl"
    try project.write(lines.joined(separator: "\n") + "\n", to: file)
  }

  /// 70 instances that wait for their charge, and 30 that wait to be shipped: those were paid before their
  /// turn, so that nothing was sent.
  private func standing() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.deciders, to: "handlers/desk.lua")
    try project.write(Self.before, to: "handlers/orders.lua")
    try publish(project, "Ordered", 0..<100)
    try project.runOnce()
    try publish(project, "Reserved", 0..<100)
    try publish(project, "Paid", 70..<100)
    try project.runOnce()
    try project.runOnce()
    return project
  }

  private func texts(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  /// How often each command was carried out.
  private func carriedOut(_ project: TestProject) throws -> [String] {
    try texts(
      project,
      """
      select json_extract(data, '$.what'), count(*), count(distinct key) from sys.events
      where type = 'Noted' group by 1 order by 1
      """)
  }

  private func instances(_ project: TestProject) throws -> [String] {
    try texts(project, "select status, step, pinned, count(*) from sys.sagas group by 1, 2, 3 order by 2, 3")
  }

  private static func kept(_ project: TestProject) throws -> Int {
    let file = project.folder.appending(path: "data/handlers/orders.sqlite").path
    let text = try Sqlite.run(file, "select count(distinct version) from _mt_sources;")
    return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
  }

  @Test func `an edit that 100 open instances do not fit is refused with where they stand`() throws {
    let project = try standing()
    #expect(try instances(project) == ["running|charge|0|70", "running|ship|0|30"])
    let rows = try texts(project, "select key, changed, version, steps, pending from sys.sagas order by 1")
    try project.write(Self.edited(""), to: "handlers/orders.lua")
    try publish(project, "Paid", 0..<70)
    for arguments in [["check", project.path], ["run", project.path, "--once", "-q"]] {
      let refused = try Binary.run(arguments)
      #expect(refused.status == 2, "\(arguments): \(refused.errors)")
      let told = refused.errors + refused.output
      #expect(
        told.contains(
          "error[E0350]: saga orders: 100 open instances stand on steps that the script no longer has in "
            + "that order"), "\(told)")
      #expect(told.contains("--> handlers/orders.lua:6:"), "\(told)")
      #expect(told.contains("they stand on \"charge\" (70), \"ship\" (30)"), "\(told)")
      #expect(told.contains("the script lacks, or has elsewhere: the step \"charge\""), "\(told)")
      #expect(told.contains("moontide saga show orders o-0"), "\(told)")
      #expect(told.contains("migrate = function(state, step)") && told.contains("pin = true"), "\(told)")
    }
    #expect(
      try texts(project, "select key, changed, version, steps, pending from sys.sagas order by 1") == rows)
    // A step more is no reason to refuse, and neither is the script as it was.
    try project.write(Self.before, to: "handlers/orders.lua")
    try Binary.succeed(["check", project.path])
    try project.runOnce()
    #expect(try instances(project) == ["running|ship|0|100"])
  }

  /// Brings all to their end by the edited script, and looks at what was done.
  private func finishMigrated(_ project: TestProject) throws {
    try project.runOnce()
    let standing = try instances(project)
    #expect(standing == ["running|invoice|0|70", "running|ship|0|30"], "\(standing)")
    try publish(project, "Invoiced", 0..<70)
    try project.runOnce()
    try publish(project, "Shipped", 0..<100)
    try project.runOnce()
    #expect(try instances(project) == ["completed||0|100"])
    let done = try carriedOut(project)
    #expect(
      done == [
        "Charge|70|70", "Confirm|100|100", "Invoice|70|70", "Reserve|100|100", "Ship|100|100",
      ], "\(done)")
    #expect(try Self.kept(project) == 1)
  }

  @Test func `with migrate each of 100 open instances goes on where it says`() throws {
    let project = try standing()
    try project.write(Self.edited(Self.migrate), to: "handlers/orders.lua")
    let checked = try Binary.run(["check", project.path])
    #expect(checked.status == 0)
    #expect(
      checked.errors.contains("100 open instances that no longer fit the script are brought to the steps"),
      "\(checked.errors)")
    try finishMigrated(project)
    let shown = try Binary.succeed(["saga", "show", project.path, "o-1"])
    #expect(shown.contains("migrated: from script") && shown.contains("charge → invoice"), "\(shown)")
  }

  @Test(arguments: ["before-commit:1", "after-commit:1", "before-commit:2", "after-commit:2"])
  func `a kill in the middle of a migration repeats and loses none`(place: String) throws {
    let project = try standing()
    try project.write(Self.edited(Self.migrate), to: "handlers/orders.lua")
    let killed = try Binary.run(
      ["run", project.path, "--once", "-q"], environment: ["MOONTIDE_CRASH_AT": place])
    #expect(killed.status == SIGKILL, "\(killed.errors)")
    let migrated = try texts(
      project, "select count(*) from sys.sagas where notes like '%\"kind\":\"migrated\"%'")
    let expected = ["before-commit:1": "0", "after-commit:2": "100"][place] ?? "64"
    #expect(migrated == [expected])
    try finishMigrated(project)
  }

  @Test func `with pin 100 open instances end by their old code, and new ones go by the new`() throws {
    let project = try standing()
    try project.write(Self.edited("pin = true,"), to: "handlers/orders.lua")
    let checked = try Binary.run(["check", project.path])
    #expect(checked.status == 0)
    #expect(
      checked.errors.contains("100 open instances that no longer fit the script end by their old code"),
      "\(checked.errors)")
    try publish(project, "Ordered", 100..<110)
    try publish(project, "Paid", 0..<69)
    try publish(project, "Refused", 69..<70)
    try project.runOnce()
    #expect(
      try instances(project) == ["compensated||0|1", "running|reserve|0|10", "running|ship|1|99"])
    #expect(try Self.kept(project) == 2)
    #expect(
      try Binary.succeed(["saga", "ls", project.path, "--limit", "200"]).components(separatedBy: "(old)")
        .count == 100)
    #expect(try Binary.succeed(["saga", "show", project.path, "o-1"]).contains("(old code: pinned)"))
    try publish(project, "Reserved", 100..<110)
    try publish(project, "Shipped", 0..<50)
    // A kill, and the old code is there again.
    _ = try Binary.run(
      ["run", project.path, "--once", "-q"], environment: ["MOONTIDE_CRASH_AT": "after-commit:1"])
    try project.runOnce()
    #expect(
      try instances(project) == [
        "compensated||0|1", "completed||0|50", "running|invoice|0|10", "running|ship|1|49",
      ])
    try publish(project, "Shipped", 50..<100)
    try project.runOnce()
    #expect(try Self.kept(project) == 1)
    let done = try carriedOut(project)
    #expect(
      done == [
        "Cancel|1|1", "Charge|70|70", "Confirm|99|99", "Invoice|10|10", "Release|1|1", "Reserve|110|110",
        "Ship|99|99",
      ], "\(done)")
    #expect(try Binary.run(["check", project.path]).errors.contains("E0350") == false)
  }
}
