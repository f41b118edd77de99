import Foundation
import SmallServer
import Testing

/// Values of the environment that handlers refer to, in every place of a request, given back by servers and
/// programs in every form: in no file below the project, and in no output of any command.
@Suite(.serialized) struct EffectSecretTests {
  /// What is looked for: letters and digits, so that no escaping changes it.
  private static let core = "q7Zp7f1c9bX4"
  private static let token = "can\(core)\"/ sé\\cret+\(core)"
  /// Whole base64 of the core, by its place, without the letters at its ends, which tell of others too.
  private static var traces: [Data] {
    let encoded = (0...2).map { lead in
      let text = Data(repeating: 0x78, count: lead) + Data(core.utf8) + Data("xx".utf8)
      return String(text.base64EncodedString().dropFirst(4).prefix(10))
    }
    return ([core, "7f1c9b"] + encoded).map { Data($0.utf8) }
  }

  private static let handlers = #"""
    consumer "calls" { from = "start", retry = { attempts = 2, backoff = "10ms" },
      on = { Call = function(event, ctx)
        local token = ctx.env.TOKEN
        print("calls with", token, "x" .. token)
        if event.data.what == "fail" then error("x" .. token) end
        if event.data.what == "log" then
          ctx.effect("log", { file = "out.log", text = "token " .. token })
        elseif event.data.what == "exec" then
          ctx.effect("exec", { program = "echo", args = { event.data.how, "--token=" .. token },
            env = { TOKEN = token }, stdin = "in " .. token, about = { token = token } })
        else
          ctx.effect("http", { url = ctx.env.HOOK .. "/" .. event.data.how, method = "PUT", timeout = "5s",
            headers = { ["X-Token"] = token,
              Authorization = event.data.how ~= "basic" and "Bearer " .. token or nil },
            json = { token = token, list = { token, "a" .. token .. "b" } }, about = { token = token } })
        end
      end },
      on_result = function(result, ctx)
        print("result", result.data.body, result.data.stdout, result.data.error)
        ctx.state.last = result.data
        ctx.emit { type = "Told", data = { all = result.data } }
      end }

    projection "told" {
      schema = [[ create table told(id text primary key, body text, error text) without rowid; ]],
      on = { Told = function(event, db)
        local all = event.data.all
        db.told:put { id = event.id, body = tostring(all.body or all.stdout), error = tostring(all.error) }
      end } }
    """#

  private static let program = #"""
    #!/bin/sh
    how=$1; token=${2#--token=}
    input=$(cat)
    case $how in
      both) echo "$token|$TOKEN|$input"; echo "$token|$TOKEN|$input" >&2 ;;
      failing) printf 'bad token %s\nagain' "$token" >&2; exit 3 ;;
      encoded) printf '%s' "user:$token" | base64 -w0; printf '%s' "$token" | base64 -w0 | tr '+/' '-_' >&2 ;;
      long) head -c 65520 /dev/zero | tr '\0' 'y'; echo "$token$token" ;;
    esac
    """#

  private static func percent(_ text: String) -> String {
    text.utf8.map { byte in
      let scalar = Unicode.Scalar(byte)
      return scalar.properties.isAlphabetic && byte < 128
        ? String(scalar) : String(format: "%%%02x", Int(byte))
    }.joined()
  }

  /// Gives back all that it was given, in the form that the path asks for.
  private static func echo(_ request: SmallServer.Request) -> SmallServer.Answer {
    let given = request.headers["authorization"] ?? ""
    let all =
      request.path + "|" + request.headers.map { "\($0): \($1)" }.joined(separator: "|") + request.body
    let how = request.path.split(separator: "/").last.map(String.init) ?? ""
    switch how {
    case "plain": return .init(200, headers: ["X-Echo: \(given)", "Location: /x?\(given)"], body: all)
    case "json":
      let quoted = all.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
      return .init(
        200, headers: ["Content-Type: application/json"],
        body: "{\"all\":\"\(quoted.replacing("/", with: "\\/"))\"}")
    case "percent": return .init(500, body: Self.percent(all))
    case "base64": return .init(404, body: Data(all.utf8).base64EncodedString())
    case "moved": return .init(302, headers: ["Location: http://other/?token=\(given)"])
    case "garbage": return .raw(given + "\r\n" + all)
    case "late": return SmallServer.Answer(200, body: all).late(milliseconds: 30)
    default: return .init(418, headers: ["Set-Cookie: \(given)"], body: "&lt;p&gt;" + all)
    }
  }

  private struct Rig {
    let project: TestProject
    let server: SmallServer
    let environment: [String: String]
    let all = ["plain", "json", "percent", "base64", "moved", "garbage", "late", "teapot", "basic"]
  }

  private func rig(_ answer: @escaping @Sendable (SmallServer.Request) -> SmallServer.Answer) throws -> Rig {
    let server = try SmallServer { request, _ in answer(request) }
    let project = try TestProject()
    // The address of a web hook: what follows the host is the secret.
    let hook = server.url.replacing("://", with: "://bob:\(Self.core)@") + "/hooks/\(Self.core)"
    try project.write(Self.handlers, to: "handlers/calls.lua")
    try project.write(
      #"return { env = { "HOOK", "TOKEN" }, programs = { echo = "bin/echo.sh" } }"#, to: "moontide.lua")
    try project.write(Self.program, to: "bin/echo.sh")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: project.path + "/bin/echo.sh")
    let rig = Rig(
      project: project, server: server, environment: ["HOOK": hook, "TOKEN": Self.token])
    var events = rig.all.map { (what: "http", how: $0) }
    events += ["both", "failing", "encoded", "long"].map { (what: "exec", how: $0) }
    events += [("log", ""), ("fail", "")]
    let lines = events.enumerated().map {
      #"{"id":"c-\#($0)","type":"Call","key":"k\#($0)","data":{"what":"\#($1.what)","how":"\#($1.how)"}}"#
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/calls.jsonl")
    return rig
  }

  /// Of the bytes that a person or a program could read.
  private func expectNoTrace(_ bytes: Data, _ what: String) {
    for trace in Self.traces {
      guard let found = bytes.range(of: trace) else { continue }
      let around = bytes[max(0, found.lowerBound - 60)..<min(bytes.count, found.upperBound + 20)]
      Issue.record("a secret is in \(what): \(String(decoding: around, as: UTF8.self))")
      return
    }
  }

  private func expectNoTraceInFiles(_ rig: Rig, _ when: String) throws {
    let files = try FileManager.default.subpathsOfDirectory(atPath: rig.project.path)
    #expect(files.contains("data/handlers/calls.sqlite"))
    for file in files {
      expectNoTrace(
        FileManager.default.contents(atPath: rig.project.path + "/" + file) ?? Data(), "\(file) \(when)")
    }
  }

  private func expectNoTraceInOutputs(_ rig: Rig) throws {
    let path = rig.project.path
    let keys = try rig.project.query("select key from sys.effects").map { $0[0].description }
    #expect(keys.count == rig.all.count + 4)
    var commands = keys.flatMap {
      [["effects", "show", path, $0], ["effects", "show", path, $0, "--json"]]
    }
    commands += [
      ["effects", "ls", path, "--all"], ["effects", "ls", path, "--json"],
      ["effects", "retry", path, "nobody"],
      ["effects", "retry", path, "--all"], ["query", path, "select * from sys.effects", "--json"],
      ["query", path, "select * from sys.events", "--json"],
      ["query", path, "select * from told", "-o", "line"],
      ["query", path, "select * from sys.dead_letters", "--json"], ["dead", "ls", path],
      ["dead", "ls", path, "--json"],
      ["dead", "show", path, "d-1", "-v"], ["dead", "show", path, "d-2", "-v"], ["dead", "export", path],
      ["dead", "retry", path, "--all", "--dry-run", "-v"], ["events", "cat", path],
      ["events", "export", path],
      ["events", "export", path, "--output", path + "/exported"], ["events", "show", path, "#0", "--json"],
      ["events", "stats", path], ["handlers", path, "--json"], ["lag", path], ["doctor", path, "--json"],
      ["check", path],
      ["backup", path, path + "/backup.tar"], ["projection", "verify", path, "told"],
      ["run", path, "--once", "-v", "--metrics-file", path + "/metrics.prom"],
    ]
    for command in commands {
      let outcome = try Binary.run(command, environment: rig.environment, deadline: .seconds(60))
      #expect(![9, 64].contains(outcome.status), "\(command): \(outcome.errors)")
      expectNoTrace(Data((outcome.output + outcome.errors).utf8), command.joined(separator: " "))
    }
  }

  @Test func `a secret is in no file and in no output, however it is given back`() throws {
    let rig = try rig(Self.echo)
    defer { rig.server.stop() }
    let run = try Binary.run(
      ["run", rig.project.path, "--once", "-v"], environment: rig.environment, deadline: .seconds(120))
    #expect(run.status == 0)
    expectNoTrace(Data((run.output + run.errors).utf8), "run -v")
    // It was on the wire, as it is.
    #expect(rig.server.requests.count >= rig.all.count)
    for request in rig.server.requests {
      let user = Data("bob:\(Self.core)".utf8).base64EncodedString()
      let isBasic = request.path.hasSuffix("basic")
      #expect(request.headers["authorization"] == (isBasic ? "Basic " + user : "Bearer " + Self.token))
      #expect(request.headers["x-token"] == Self.token && request.path.contains(Self.core))
    }
    try expectNoTraceInFiles(rig, "after a run")
    try expectNoTraceInOutputs(rig)
    try expectNoTraceInFiles(rig, "in the end")
    // What came back is there, with names where values were.
    let told = try Binary.succeed(["query", rig.project.path, "select body, error from told", "--json"])
    #expect(told.contains("Bearer ${TOKEN}") && told.contains("bad token ${TOKEN}"), "\(told)")
    let dead = try Binary.succeed(["dead", "ls", rig.project.path])
    #expect(dead.contains("ctx.env.TOKEN"), "a line of a file takes no reference: \(dead)")
    #expect(!FileManager.default.fileExists(atPath: rig.project.path + "/out.log"))
  }

  @Test func `a secret is in no file and no output while it is on the wire, and when the process dies`()
    throws
  {
    let rig = try rig { request in request.path.hasSuffix("plain") ? .hanging : Self.echo(request) }
    defer { rig.server.stop() }
    let settings = try rig.environment.map { name, value in
      try rig.project.write(value, to: "../\(rig.project.folder.lastPathComponent)-\(name)")
      return "export \(name)=\"$(cat '\(rig.project.path)-\(name)')\""
    }
    defer {
      for name in rig.environment.keys { Binary.cleanUp(URL(fileURLWithPath: rig.project.path + "-" + name)) }
    }
    let live = try LiveRun(
      ["run", rig.project.path, "-v"], limits: settings.sorted().joined(separator: "; "))
    try LiveRun.wait("all requests") { Set(rig.server.requests.map(\.path)).count == rig.all.count }
    try LiveRun.wait("the programs") {
      try rig.project.query("select count(*) from sys.effects where kind = 'exec' and ended is not null")[0][
        0
      ]
      .description == "4"
    }
    try expectNoTraceInFiles(rig, "while it runs")
    let path = rig.project.path
    for command in [
      ["effects", "ls", path], ["effects", "ls", path, "--all", "--json"], ["dead", "ls", path],
      ["handlers", path],
      ["doctor", path], ["query", path, "select * from sys.effects", "--json"],
    ] {
      let outcome = try Binary.run(command, environment: rig.environment)
      expectNoTrace(Data((outcome.output + outcome.errors).utf8), command.joined(separator: " "))
    }
    live.signal(SIGKILL)
    _ = live.status()
    expectNoTrace(Data(try live.errors().utf8), "stderr of the run")
    try expectNoTraceInFiles(rig, "after a kill")
  }
}
