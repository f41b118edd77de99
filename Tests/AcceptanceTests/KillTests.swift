import Foundation
import BorrowedFixtures
import Testing

/// SIGKILL at random moments, and a refold from nothing. `MOONTIDE_KILLS` sets how many kills.
///
/// Where an emitted event comes to lie between those of the directory is a matter of timing. `activities`
/// sees both, so it is WITHOUT ROWID: a rowid would tell which of them came first.
@Suite(.serialized, .needsBorrowedFixtures) struct KillTests {
  private static let handlers = """
    projection "cases" {
      schema = [[
        create table cases(id text primary key, events integer, latest text);
        create table activities(name text primary key, n integer) without rowid;
        create virtual table search using fts5(id unindexed, activity);
      ]],
      on = { ["*"] = function(event, db)
        db.cases:add(event.key, { events = 1 })
        db.cases:put { id = event.key, latest = event.data.activity }
        db.activities:add(event.data.activity or event.type, { n = 1 })
        if event.type == "ApplicationSubmitted" then
          db.search:put { id = event.key, activity = event.data.activity .. " by " .. event.data.resource }
        end
      end },
    }

    consumer "approvals" {
      from = "start",
      on = { ApplicationApproved = function(event, ctx)
        ctx.state.seen = (ctx.state.seen or 0) + 1
        ctx.emit { type = "LoanGranted", data = { case = event.key, nth = ctx.state.seen } }
      end },
    }

    projection "grants" {
      schema = [[ create table grants(case_id text primary key, n integer); ]],
      on = { LoanGranted = function(event, db) db.grants:add(event.data.case, { n = 1 }) end },
    }
    """

  private func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.handlers, to: "handlers/loans.lua")
    return project
  }

  @Test func `a run that is killed again and again ends as an undisturbed one`() throws {
    let events = try BorrowedFixtures.events("loans")
    let kills = ProcessInfo.processInfo.environment["MOONTIDE_KILLS"].flatMap(Int.init) ?? 12
    let calm = try project()
    let packed = "events/loans.jsonl"
    let text = try Gzip.text(events)
    try calm.write(text, to: packed)
    let began = ContinuousClock.now
    try calm.runOnce()
    let whole = ContinuousClock.now - began

    let shaken = try project()
    try shaken.write(text, to: packed)
    var random = SystemRandomNumberGenerator()
    for _ in 0..<kills {
      let process = try Binary.start(["run", shaken.path, "--once", "-q"])
      // Somewhere in what is left of one whole run, startup included.
      let share = Double.random(in: 0.02..<1.2, using: &random)
      usleep(UInt32(share * (whole / .microseconds(1)) / Double(kills) * 2))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    try shaken.runOnce()

    for name in ["cases", "grants"] {
      let (one, other) = (
        try calm.dump(name).split(separator: "\n"), try shaken.dump(name).split(separator: "\n")
      )
      let difference = zip(one, other).first { $0 != $1 }
      #expect(one == other, "\(name): \(difference.map { "\($0.0) became \($0.1)" } ?? "another length")")
    }
    #expect(try sortedExport(shaken) == sortedExport(calm))
    let grants = try shaken.query("select count(*), sum(n), max(n) from grants")
    let approved = try shaken.query("select count(*) from sys.events where type = 'ApplicationApproved'")
    #expect(grants[0][1] == approved[0][0], "\(grants) of \(approved)")
  }

  @Test func `a read model that is deleted is folded again, byte for byte`() throws {
    let project = try project()
    try project.write(try Gzip.text(try BorrowedFixtures.events("loans")), to: "events/loans.jsonl")
    try project.runOnce()
    let before = try project.dump("cases")
    for _ in 0..<3 {
      try FileManager.default.removeItem(at: project.folder.appending(path: "data/readmodels"))
      try project.runOnce()
      #expect(try project.dump("cases") == before)
    }
  }

  private func sortedExport(_ project: TestProject) throws -> [Substring] {
    try Binary.succeed(["events", "export", project.path, "--no-recorded"]).split(separator: "\n").sorted()
  }
}
