import Foundation
import SmallServer
import Synchronization
import Testing

/// The ledger of effects against a server that fails, hangs, answers late, twice, or what is no answer, with
/// SIGKILLs in between; judged by what the server saw. `MOONTIDE_EFFECT_SEED` plays a run again,
/// `MOONTIDE_EFFECT_ORDERS` and `MOONTIDE_EFFECT_KILLS` make it longer.
@Suite(.serialized) struct EffectTroubleTests {
  private static func handlers(isMended: Bool) -> String {
    """
    consumer "mails" { from = "start", lanes = 2,
      retry = { attempts = 6, backoff = "10ms", factor = 1.5, max = "40ms" },
      on = { Order = function(event, ctx)
        \(isMended ? "" : #"if event.data.n % 23 == 7 then error("not yet") end"#)
        for part = 1, 1 + event.data.n % 2 do
          ctx.effect("http", { url = ctx.env.EFFECT_URL .. "/" .. event.key, timeout = "250ms",
            method = part == 1 and "POST" or "PUT", json = { n = event.data.n, part = part },
            about = { n = event.data.n } })
        end
      end },
      on_result = function(result, ctx)
        ctx.emit { type = "Mailed", data = { n = result.data.about.n, ok = result.data.ok } }
      end }

    projection "mailed" {
      schema = [[ create table mailed(id text primary key, n integer, ok integer) without rowid; ]],
      on = { Mailed = function(event, db)
        db.mailed:put { id = event.id, n = event.data.n, ok = event.data.ok and 1 or 0 }
      end } }
    """
  }

  /// What a request is about.
  private struct Part: Hashable, Comparable, Decodable {
    var n: Int
    var part: Int
    static func < (a: Part, b: Part) -> Bool { (a.n, a.part) < (b.n, b.part) }
  }

  /// What the server did, and who judges it.
  private final class Trouble: Sendable {
    let seed: UInt64
    /// Keys whose request was answered well, in time.
    let answered = Mutex<Set<String>>([])

    init(_ seed: UInt64) { self.seed = seed }

    /// The first two requests of a key may go wrong: seed, key and number tell how.
    func answer(_ request: SmallServer.Request, _ times: Int) -> SmallServer.Answer {
      let key = request.headers["idempotency-key"] ?? ""
      var hash = seed
      for byte in "\(key) \(times)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      hash ^= hash >> 29
      let well = SmallServer.Answer(200, body: request.body)
      func noted(_ answer: SmallServer.Answer) -> SmallServer.Answer {
        answered.withLock { _ = $0.insert(key) }
        return answer
      }
      guard times <= 2 else { return noted(well) }
      switch hash % 40 {
      case 0..<6: return .init(500, body: "no")
      case 6..<8: return .hanging
      case 8..<10: return well.late(milliseconds: 400)
      case 10..<12: return .dropping
      case 12..<14: return .resetting
      case 14..<16: return .raw("this is no answer\r\n\r\n")
      case 16: return .init(503)
      case 17..<21: return noted(.twice(200, body: request.body))
      default: return noted(well)
      }
    }
  }

  private struct Rig {
    let project: TestProject
    let server: SmallServer
    let trouble: Trouble
    let orders: Int
    let keys: Int

    func environment() -> [String: String] { ["EFFECT_URL": server.url] }

    @discardableResult func run(_ arguments: [String]) throws -> String {
      let outcome = try Binary.run(arguments, environment: environment(), deadline: .seconds(180))
      #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
      return outcome.output
    }

    /// Those that there are in the end.
    var parts: [Part] {
      (0..<orders).flatMap { n in (1...(1 + n % 2)).map { Part(n: n, part: $0) } }
    }
    func isBad(_ n: Int) -> Bool { n % 23 == 7 }
    /// Whether it waits behind one that fails, or is that one.
    func isHeld(_ n: Int) -> Bool { stride(from: n % keys, through: n, by: keys).contains(where: isBad) }
  }

  private func rig() throws -> Rig {
    let given = ProcessInfo.processInfo.environment
    let seed = given["MOONTIDE_EFFECT_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0..<1_000_000)
    print("EffectTroubleTests seed \(seed)")
    let trouble = Trouble(seed)
    let server = try SmallServer { trouble.answer($0, $1) }
    let project = try TestProject()
    let orders = given["MOONTIDE_EFFECT_ORDERS"].flatMap(Int.init) ?? 160
    let rig = Rig(project: project, server: server, trouble: trouble, orders: orders, keys: 40)
    try project.write(Self.handlers(isMended: false), to: "handlers/mails.lua")
    try project.write("return { env = { \"EFFECT_URL\" } }", to: "moontide.lua")
    let lines = (0..<orders).map {
      #"{"id":"o-\#($0)","type":"Order","key":"k\#($0 % rig.keys)","data":{"n":\#($0)}}"#
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/orders.jsonl")
    return rig
  }

  /// What the server saw, in the order of the connections, is right: a body and a path for each key, a key
  /// for each effect, one order for each key of events. Returns the effects by key.
  private func judge(_ rig: Rig) throws -> [String: Part] {
    var parts: [String: Part] = [:]
    var last: [String: Part] = [:]
    var keys: [Part: String] = [:]
    for request in rig.server.requests.sorted(by: { $0.connection < $1.connection }) {
      let key = try #require(request.headers["idempotency-key"])
      let part = try JSONDecoder().decode(Part.self, from: Data(request.body.utf8))
      #expect(request.path == "/k\(part.n % rig.keys)")
      #expect(request.method == (part.part == 1 ? "POST" : "PUT"))
      #expect(parts.updateValue(part, forKey: key) ?? part == part, "\(key) asks for two things")
      #expect(keys.updateValue(key, forKey: part) ?? key == key, "\(part) has two keys")
      if let before = last.updateValue(part, forKey: request.path) {
        #expect(before <= part, "\(request.path): \(part) after \(before)")
      }
    }
    return parts
  }

  @Test
  func `whatever the server does and whenever it dies, each effect is carried out under one key, in order`()
    throws
  {
    let rig = try rig()
    defer { rig.server.stop() }
    let path = rig.project.path
    let kills = ProcessInfo.processInfo.environment["MOONTIDE_EFFECT_KILLS"].flatMap(Int.init) ?? 6
    func runKilled(_ times: Int) throws {
      for _ in 0..<times {
        _ = try Binary.run(
          ["run", path, "--once", "-q"], environment: rig.environment(),
          deadline: .milliseconds(Int.random(in: 60...700)))
      }
    }
    try runKilled(kills)
    try rig.run(["run", path, "--once", "-q"])
    var parts = try judge(rig)
    #expect(
      Set(parts.values) == Set(rig.parts.filter { !rig.isHeld($0.n) }), "what waits behind a failure waits")
    try expectNothingMore(rig, "another run") { try rig.run(["run", path, "--once", "-q"]) }
    // A rehearsal on a copy has no effects.
    try rig.project.write(Self.handlers(isMended: true), to: "handlers/mails.lua")
    try expectNothingMore(rig, "a rehearsed redrive") {
      _ = try Binary.run(["dead", "retry", path, "--all", "--dry-run"], environment: rig.environment())
    }
    // Those that failed succeed now, killed and gone on with.
    for _ in 0..<(kills / 2) {
      _ = try Binary.run(
        ["dead", "retry", path, "--all"], environment: rig.environment(),
        deadline: .milliseconds(Int.random(in: 60...400)))
      try runKilled(1)
    }
    _ = try Binary.run(["dead", "retry", path, "--all"], environment: rig.environment())
    try rig.run(["run", path, "--once", "-q", "--fail-on-dead"])
    parts = try judge(rig)
    #expect(Set(parts.values) == Set(rig.parts) && parts.count == rig.parts.count)
    #expect(rig.trouble.answered.withLock { $0 } == Set(parts.keys), "each was answered well at least once")
    let all = "\(rig.parts.count)"
    #expect(
      try rig.project.query("select count(*), sum(ok) from mailed").map(\.description) == ["[\(all), \(all)]"]
    )
    let ledger = try rig.project.query("select key from sys.effects where state = 'done'")
    #expect(Set(ledger.map { $0[0].description }) == Set(parts.keys))
    try expectNothingMoreByAnything(rig)
  }

  private func expectNothingMore(_ rig: Rig, _ what: String, _ body: () throws -> Void) throws {
    let before = rig.server.requests.count
    try body()
    #expect(rig.server.requests.count == before, "\(what) asked the server again")
  }

  /// Replay, rebuild, redrive, lost files and edited scripts.
  private func expectNothingMoreByAnything(_ rig: Rig) throws {
    let (path, files) = (rig.project.path, FileManager.default)
    let rows = try rig.project.query("select * from mailed order by id")
    try expectNothingMore(rig, "a verified read model") {
      try rig.run(["projection", "verify", path, "mailed"])
    }
    try files.removeItem(atPath: path + "/data/readmodels")
    try expectNothingMore(rig, "a read model that was made anew") {
      try rig.run(["run", path, "--once", "-q"])
    }
    try expectNothingMore(rig, "a redrive of nothing") {
      _ = try Binary.run(["dead", "retry", path, "--all"], environment: rig.environment())
    }
    let edited = Self.handlers(isMended: true)
      .replacing("part = part }", with: "part = part, more = \"later\" }").replacing("250ms", with: "5s")
      .replacing("db.mailed:put {", with: "db.mailed:put { ")
    try rig.project.write(edited, to: "handlers/mails.lua")
    try expectNothingMore(rig, "edited scripts") { try rig.run(["run", path, "--once", "-q"]) }
    for ending in ["", "-wal", "-shm"]
    where files.fileExists(atPath: path + "/data/handlers/mails.sqlite\(ending)") {
      try files.removeItem(atPath: path + "/data/handlers/mails.sqlite\(ending)")
    }
    try expectNothingMore(rig, "a ledger that was lost, under edited scripts") {
      try rig.run(["run", path, "--once", "-q"])
    }
    try expectNothingMore(rig, "the last run") { try rig.run(["run", path, "--once", "-q"]) }
    #expect(try rig.project.query("select * from mailed order by id") == rows)
    try rig.run(["events", "verify", path])
    try rig.run(["doctor", path])
  }
}
