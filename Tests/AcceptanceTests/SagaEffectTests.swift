import Foundation
import SmallServer
import Testing

/// Effects of sagas through the binary, and what people see and do about sagas that fail.
/// `MOONTIDE_EFFECT_KILLS` sets how often the run is killed.
@Suite(.serialized) struct SagaEffectTests {
  private static let canary = "canary-51d0ee/secret"

  private static let saga = """
    saga "parcels" { starts_on = "Order", from = "start", clock = "event",
      retry = { attempts = 6, backoff = "20ms", factor = 1.5, max = "100ms" },
      correlate = function(event) return event.data.order end,
      initial = function(event) return { order = event.data.order, n = event.data.n } end,
      on = { Order = function(state, event, ctx)
        ctx.effect("http", {
          url = ctx.env.EFFECT_URL .. "/" .. state.order,
          headers = { Authorization = "Bearer " .. ctx.env.EFFECT_TOKEN }, json = { n = state.n },
          timeout = "400ms" })
        ctx.timer("remind", "1h")
      end },
      on_result = function(state, result, ctx)
        if result.type == "http" then
          ctx.emit { type = "Booked", data = { n = state.n, ok = result.data.ok } }
        else
          ctx.complete()
        end
      end,
      timers = { remind = function(state, ctx)
        ctx.effect("log", { file = "out/reminders.log", text = state.order })
      end } }

    projection "booked" {
      schema = [[ create table booked(id text primary key, n integer, ok integer) without rowid; ]],
      on = { Booked = function(event, db)
        db.booked:put { id = event.id, n = event.data.n, ok = event.data.ok and 1 or 0 }
      end } }
    """

  private func project(_ count: Int) throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.saga, to: "handlers/parcels.lua")
    try project.write("return { env = { \"EFFECT_URL\", \"EFFECT_TOKEN\" } }", to: "moontide.lua")
    let lines = (0..<count).map {
      #"{"id":"o-\#($0)","type":"Order","key":"k\#($0 % 7)","time":"2026-03-01T09:00:00Z","#
        + #""data":{"order":"p\#($0)","n":\#($0)}}"#
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/orders.jsonl")
    return project
  }

  private func run(
    _ project: TestProject, _ server: SmallServer, _ more: [String] = [], deadline: Duration? = nil
  ) throws {
    let outcome = try Binary.run(
      ["run", project.path, "--once"] + more,
      environment: ["EFFECT_URL": server.url, "EFFECT_TOKEN": Self.canary],
      deadline: deadline ?? .seconds(120))
    if deadline == nil { #expect(outcome.status == 0, "\(outcome.errors)") }
    #expect(!outcome.errors.contains("51d0ee"))
  }

  private func reminders(_ project: TestProject) throws -> [String] {
    try String(contentsOf: project.folder.appending(path: "out/reminders.log"), encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  @Test func `effects of events and timers are done under one key, and never again`() throws {
    let kills = ProcessInfo.processInfo.environment["MOONTIDE_EFFECT_KILLS"].flatMap(Int.init) ?? 5
    let server = try SmallServer { request, times in
      if times > 1 { return .init(200) }
      switch (Int(request.body.filter(\.isNumber)) ?? 0) % 5 {
      case 0: return .init(503)
      case 1: return .dropping
      default: return .init(200, body: request.headers["authorization"] ?? "")
      }
    }
    defer { server.stop() }
    let project = try project(60)
    var random = SystemRandomNumberGenerator()
    for _ in 0..<kills {
      try run(project, server, ["-q"], deadline: .milliseconds(Int.random(in: 50...500, using: &random)))
    }
    try run(project, server)
    let keys = Set(server.requests.compactMap { $0.headers["idempotency-key"] })
    #expect(keys.count == 60)
    #expect(try project.query("select count(*), sum(ok) from booked").map(\.description) == ["[60, 60]"])
    try run(project, server, ["--until", "2026-03-01T12:00:00Z"])
    let reminded = try reminders(project)
    #expect(reminded.count == 60 && Set(reminded).count == 60)
    #expect(
      try project.query("select status, count(*) from sys.sagas group by 1").map(\.description) == [
        "[completed, 60]"
      ])
    let before = server.requests.count
    // Again, by an edited script, and from the beginning: nothing goes out a second time.
    try run(project, server)
    try project.write(Self.saga.replacing("400ms", with: "500ms"), to: "handlers/parcels.lua")
    try run(project, server)
    for ending in ["", "-wal", "-shm"] {
      let file = project.folder.appending(path: "data/handlers/parcels.sqlite\(ending)")
      if FileManager.default.fileExists(atPath: file.path) { try FileManager.default.removeItem(at: file) }
    }
    try run(project, server)
    #expect(server.requests.count == before)
    #expect(try reminders(project).count == 60)
    #expect(try project.query("select count(*) from booked").map(\.description) == ["[60]"])
    let listed = try Binary.succeed(["effects", "ls", project.path, "--all", "--max", "200"])
    #expect(listed.contains("parcels") && !listed.contains("51d0ee"), "\(listed)")
    let doctor = try Binary.run(["doctor", project.path])
    #expect(doctor.output.contains("120 done, 0 due or to be tried again, 0 dead"), "\(doctor.output)")
    #expect(doctor.output.contains("60 published = 60 applied"), "\(doctor.output)")
    for file in try FileManager.default.subpathsOfDirectory(atPath: project.path) {
      let bytes = FileManager.default.contents(atPath: project.path + "/" + file) ?? Data()
      #expect(bytes.range(of: Data("51d0ee".utf8)) == nil, "\(file)")
    }
  }

  private static func failing(isMended: Bool) -> String {
    """
    saga "s" { starts_on = "A", from = "start", retry = { attempts = 1 },
      correlate = function(event) return event.data.order end,
      on = {
        A = function(state, event, ctx)
          \(isMended ? "" : "if event.data.bad then error(\"no\") end")
          ctx.emit { type = "Seen", data = { order = event.data.order } }
        end,
        B = function(state, event, ctx) ctx.emit { type = "Also", data = { order = event.data.order } } end,
      } }
    """
  }

  @Test func `doctor counts what a saga holds, and a rehearsal says what a retry would do`() throws {
    let project = try TestProject()
    try project.write(Self.failing(isMended: false), to: "handlers/s.lua")
    let lines = (0..<10).flatMap { order in
      ["A", "B"].map { type in
        #"{"id":"\#(type)-\#(order)","type":"\#(type)","data":{"order":"o-\#(order)""#
          + "\(order % 5 == 0 ? #","bad":1"# : "")}}"
      }
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/a.jsonl")
    try project.runOnce()
    let found = "20 published = 16 applied, 0 before it, 2 held, 0 skipped, 2 dead letters"
    #expect(try Binary.run(["doctor", project.path]).output.contains(found))
    let file = project.folder.appending(path: "data/handlers/s.sqlite").path
    let before = try Sqlite.dump(file)
    func rehearse() throws -> String {
      try Binary.run(["dead", "retry", project.path, "s", "--dry-run", "-o", "csv"]).output
    }
    #expect(try rehearse().components(separatedBy: "would fail").count == 3)
    try project.write(Self.failing(isMended: true), to: "handlers/s.lua")
    let mended = try rehearse()
    #expect(
      mended.components(separatedBy: "1 of 1 event behind it too; emits 1 Also, 1 Seen").count == 3,
      "\(mended)")
    #expect(try Sqlite.dump(file) == before)
    try Binary.succeed(["dead", "retry", project.path, "s"])
    #expect(
      try Binary.run(["doctor", project.path]).output.contains("20 published = 20 applied, 0 before it"))
  }
}
