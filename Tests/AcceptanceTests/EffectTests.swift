import Foundation
import SmallServer
import Synchronization
import Testing

/// Effects through the binary, on an HTTP server of the test that fails, hangs and answers late.
/// `MOONTIDE_EFFECT_KILLS` sets how often the run is killed.
@Suite(.serialized) struct EffectTests {
  private static let canary = "canary-7f1c9b\"/secret"

  private static let handlers = """
    consumer "mails" { from = "start",
      retry = { attempts = 6, backoff = "20ms", factor = 1.5, max = "100ms" },
      on = { Order = function(event, ctx)
        ctx.effect("http", {
          url = ctx.env.EFFECT_URL .. "/" .. event.key,
          headers = { Authorization = "Bearer " .. ctx.env.EFFECT_TOKEN },
          json = { n = event.data.n }, about = { n = event.data.n }, timeout = "400ms" })
        ctx.effect("log", { file = "out/orders.log", text = event.key .. " " .. event.data.n })
      end },
      on_result = function(result, ctx)
        if result.type == "http" then
          ctx.emit { type = "Mailed", data = { n = result.data.about.n, ok = result.data.ok } }
        end
      end }

    projection "mailed" {
      schema = [[ create table mailed(id text primary key, key text, n integer, ok integer) without rowid; ]],
      on = { Mailed = function(event, db)
        db.mailed:put { id = event.id, key = event.key, n = event.data.n, ok = event.data.ok and 1 or 0 }
      end } }
    """

  private func project(_ count: Int, keys: Int) throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.handlers, to: "handlers/mails.lua")
    try project.write("return { env = { \"EFFECT_URL\", \"EFFECT_TOKEN\" } }", to: "moontide.lua")
    let lines = (0..<count).map {
      #"{"id":"o-\#($0)","type":"Order","key":"k\#($0 % keys)","data":{"n":\#($0)}}"#
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/orders.jsonl")
    return project
  }

  private func environment(_ server: SmallServer) -> [String: String] {
    ["EFFECT_URL": server.url, "EFFECT_TOKEN": Self.canary]
  }

  private func run(_ project: TestProject, _ server: SmallServer) throws {
    let outcome = try Binary.run(
      ["run", project.path, "--once"], environment: environment(server), deadline: .seconds(120))
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(!outcome.errors.contains("7f1c9b"))
  }

  /// Keys of the requests in the order in which they came, each once.
  private func order(_ requests: [SmallServer.Request]) -> [String] {
    var seen: Set<String> = []
    return requests.compactMap { request in
      guard let key = request.headers["idempotency-key"], seen.insert(key).inserted else { return nil }
      return key
    }
  }

  private func numbers(_ requests: [SmallServer.Request], path: String) -> [Int] {
    var seen: Set<String> = []
    return requests.filter { $0.path == path }.compactMap { request in
      guard seen.insert(request.body).inserted else { return nil }
      return Int(request.body.filter(\.isNumber))
    }
  }

  /// A third fails at first, some hang, some end without an answer.
  private static func troubled(_ request: SmallServer.Request, _ times: Int) -> SmallServer.Answer {
    let number = Int(request.body.filter(\.isNumber)) ?? 0
    if times > 1 { return .init(200, body: request.headers["authorization"] ?? "") }
    switch number % 6 {
    case 0, 3: return .init(500)
    case 1: return number % 12 == 1 ? .hanging : .dropping
    default: return .init(200, body: request.headers["authorization"] ?? "")
    }
  }

  @Test func `each effect is done once its server comes round, in the order of its key, and never again`()
    throws
  {
    let server = try SmallServer(Self.troubled)
    defer { server.stop() }
    let project = try project(60, keys: 10)
    try run(project, server)
    #expect(order(server.requests).count == 60)
    for key in 0..<10 {
      let numbers = numbers(server.requests, path: "/k\(key)")
      #expect(numbers == numbers.sorted() && numbers.count == 6, "k\(key): \(numbers)")
    }
    #expect(try project.query("select count(*), sum(ok) from mailed").map(\.description) == ["[60, 60]"])
    let lines = try String(contentsOf: project.folder.appending(path: "out/orders.log"), encoding: .utf8)
    #expect(lines.split(separator: "\n").count == 60)
    let before = server.requests.count
    // Again, with an edited script, and with a new file of the handler: nothing goes out a second time.
    try run(project, server)
    try project.write(Self.handlers.replacing("400ms", with: "500ms"), to: "handlers/mails.lua")
    try run(project, server)
    for ending in ["", "-wal", "-shm"] {
      let file = project.folder.appending(path: "data/handlers/mails.sqlite\(ending)")
      if FileManager.default.fileExists(atPath: file.path) { try FileManager.default.removeItem(at: file) }
    }
    try run(project, server)
    #expect(server.requests.count == before)
    #expect(try project.query("select count(*) from mailed").map(\.description) == ["[60]"])
    try expectNoSecret(project)
  }

  /// In no file of the project, and in no output of a command.
  private func expectNoSecret(_ project: TestProject) throws {
    let found = try FileManager.default.subpathsOfDirectory(atPath: project.path).filter { file in
      let bytes = FileManager.default.contents(atPath: project.path + "/" + file) ?? Data()
      return bytes.range(of: Data("7f1c9b".utf8)) != nil
    }
    #expect(found == [])
    let all = try Binary.succeed(["query", project.path, "select * from sys.effects", "--json"])
    #expect(!all.contains("7f1c9b") && all.contains("Bearer ${EFFECT_TOKEN}"))
    #expect(!(try Binary.succeed(["effects", "ls", project.path, "--all"]).contains("7f1c9b")))
  }

  @Test func `dead effects are shown, and performed again under their keys`() throws {
    let isUp = Mutex(false)
    let server = try SmallServer { _, _ in isUp.withLock { $0 } ? .init(200) : .init(400, body: "no") }
    defer { server.stop() }
    let project = try project(3, keys: 3)
    try run(project, server)
    #expect(server.requests.count == 3)
    let listed = try Binary.run(["effects", "ls", project.path, "-o", "csv", "--max", "2"])
    #expect(listed.status == 1 && listed.output.contains("the server answered 400"), "\(listed.output)")
    let keys = order(server.requests)
    let shown = try Binary.succeed(["effects", "show", project.path, keys[0]])
    #expect(shown.contains("dead") && shown.contains("${EFFECT_URL}") && shown.contains("no"))
    #expect(try Binary.run(["effects", "retry", project.path, "nobody"]).status == 2)
    isUp.withLock { $0 = true }
    let again = try Binary.run(
      ["effects", "retry", project.path, "mails", "-o", "csv"], environment: environment(server))
    #expect(again.status == 0, "\(again.output)\(again.errors)")
    #expect(server.requests.count == 6 && Set(order(server.requests)) == Set(keys))
    try run(project, server)
    #expect(try project.query("select count(*), sum(ok) from mailed").map(\.description) == ["[6, 3]"])
  }

  @Test func `a run that is killed again and again performs each effect, in order, under one key`() throws {
    let kills = ProcessInfo.processInfo.environment["MOONTIDE_EFFECT_KILLS"].flatMap(Int.init) ?? 8
    let server = try SmallServer(Self.troubled)
    defer { server.stop() }
    let project = try project(200, keys: 20)
    var random = SystemRandomNumberGenerator()
    for _ in 0..<kills {
      _ = try Binary.run(
        ["run", project.path, "--once", "-q"], environment: environment(server),
        deadline: .milliseconds(Int.random(in: 50...600, using: &random)))
    }
    try run(project, server)
    #expect(order(server.requests).count == 200, "a key for each event, whatever died between")
    for key in 0..<20 {
      let numbers = numbers(server.requests, path: "/k\(key)")
      #expect(numbers == numbers.sorted() && numbers.count == 10, "k\(key): \(numbers)")
    }
    #expect(try project.query("select count(*), sum(ok) from mailed").map(\.description) == ["[200, 200]"])
    let before = server.requests.count
    try run(project, server)
    #expect(server.requests.count == before)
  }

  @Test func `a run that is asked to end does so though a server hangs, and the next one goes on`() throws {
    let isUp = Mutex(false)
    let server = try SmallServer { _, _ in isUp.withLock { $0 } ? .init(200) : .hanging }
    defer { server.stop() }
    let project = try project(4, keys: 4)
    try project.write(Self.handlers.replacing("400ms", with: "60s"), to: "handlers/mails.lua")
    let live = try LiveRun(
      ["run", project.path],
      limits: "export EFFECT_URL=\(server.url) EFFECT_TOKEN=\(String(repeating: "x", count: 9))")
    try LiveRun.wait("four requests") { server.requests.count == 4 }
    let began = ContinuousClock.now
    #expect(live.interrupt() == 0)
    #expect(ContinuousClock.now - began < .seconds(20))
    isUp.withLock { $0 = true }
    try run(project, server)
    #expect(order(server.requests).count == 4 && server.requests.count == 8)
  }
}
