import Foundation
import Testing

/// The stubs in an editor: a LuaCATS server over the examples and over what `new` makes finds nothing, and
/// over mistakes it finds each.
@Suite(.needsLuaServer) struct LuaServerTests {
  private static let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "../../examples").standardized

  /// Every mistake stands in its line, with what the server calls it.
  private static let mistakes = """
    consumer "c" {
      on = { A = function(event, ctx)
        print(event.keey) --> undefined-field
        ctx.emti(events.Foo {}) --> undefined-field
        ctx.emit("no event") --> param-type-mismatch
        ctx.emit(commands.Foo {}) --> param-type-mismatch
        ctx.send(events.Foo {}) --> param-type-mismatch
        ctx.emit(events.Foo({}, { key = {} })) --> param-type-mismatch
        ctx.effect("htp", { url = "x" }) --> param-type-mismatch
        ctx.effect("http", { body = "x" }) --> missing-fields
        ctx.timer("reminder", "15m") --> undefined-field
        not_there() --> undefined-global
        moontide.tim("2026-01-01T00:00:00Z") --> undefined-field
        moontide.time(5) --> param-type-mismatch
      end },
      retry = { attempts = "x" }, --> assign-type-mismatch
      exhausted = "never", --> assign-type-mismatch
    }
    projection "p" {
      schema = 5, --> assign-type-mismatch
      on = { A = function(event, db)
        db.t:put(5) --> param-type-mismatch
        db.t:putt { a = 1 } --> undefined-field
        db.t:add(event.key, { n = "x" }) --> assign-type-mismatch
        db:query(5) --> param-type-mismatch
      end },
    }
    saga "s" {
      starts_on = 5, --> assign-type-mismatch
      steps = { { name = "a", send = function(state) return 5 end } }, --> return-type-mismatch
      on = { B = function(state, event, ctx)
        ctx.timer("a", 5) --> param-type-mismatch
        ctx.comlete() --> undefined-field
      end },
      timers = { late = function(state, ctx) ctx.comlete() end }, --> undefined-field
    }
    decider "d" {
      decide = { P = function(command, state) return reject(5) end }, --> param-type-mismatch
      evolve = { Q = function(state, event) return event.dat end }, --> undefined-field
    }
    upcaster "u" {
      [1] = function(data, event) return event.keyy end, --> undefined-field
    }
    upcaster "v" "no steps" --> param-type-mismatch
    """

  private func project(_ template: String) throws -> TestProject {
    let project = try TestProject()
    _ = try Binary.succeed(["new", project.path + "/made", "--template", template])
    return project
  }

  /// The scripts of a folder, but for the stubs.
  private func scripts(_ folder: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".lua") && !$0.hasPrefix(".moontide") }.sorted().map { folder + "/" + $0 }
  }

  /// Asks a server that knows all of the folder: it finds what only the stubs can tell. One that stands still
  /// is left for another.
  private func asking<T>(_ folder: String, _ body: (LanguageServer) throws -> T) throws -> T {
    let probe = folder + "/lib/probe_of_stubs.lua"
    try FileManager.default.createDirectory(atPath: folder + "/lib", withIntermediateDirectories: true)
    var triesLeft = 4
    while true {
      triesLeft -= 1
      do {
        try Data("moontide.not_there()\n".utf8).write(to: URL(fileURLWithPath: probe))
        let server = try LanguageServer(folder: folder)
        try server.open(probe)
        try LiveRun.wait("the server's knowledge of the stubs") {
          try server.findings(probe).contains { $0.code == "undefined-field" }
        }
        try FileManager.default.removeItem(atPath: probe)
        return try body(server)
      } catch let error as LanguageServer.Silence where triesLeft > 0 {
        print("\(error); again")
      }
    }
  }

  private func complaints(_ folder: String) throws -> [String] {
    let scripts = try scripts(folder)
    #expect(!scripts.isEmpty)
    return try asking(folder) { server in
      for script in scripts { try server.open(script) }
      return try scripts.flatMap { script in
        try server.findings(script).filter { $0.severity <= 2 }.map { "\(script): \($0)" }
      }
    }
  }

  @Test(arguments: ["hello", "shop"])
  func `what new makes has nothing that a server complains of`(template: String) throws {
    let project = try project(template)
    let found = try complaints(project.path + "/made")
    #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
  }

  @Test func `the examples have nothing that a server complains of`() throws {
    let made = try project("hello")
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.examples.path)
      .filter { $0.first?.isNumber == true }.sorted()
    #expect(names.count >= 5)
    for name in names {
      let copy = made.folder.appending(path: name)
      try FileManager.default.copyItem(at: Self.examples.appending(path: name), to: copy)
      for part in [".luarc.json", ".moontide/stubs"] {
        let target = copy.appending(path: part)
        if FileManager.default.fileExists(atPath: target.path) {
          try FileManager.default.removeItem(at: target)
        }
        try FileManager.default.createDirectory(
          at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: made.folder.appending(path: "made/" + part), to: target)
      }
      let found = try complaints(copy.path)
      #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }
  }

  @Test func `a wrong field, type or name is found where it stands`() throws {
    let project = try project("hello")
    let script = project.path + "/made/handlers/mistakes.lua"
    try Data(Self.mistakes.utf8).write(to: URL(fileURLWithPath: script))
    let found = try asking(project.path + "/made") { server in
      try server.open(script)
      return try server.findings(script).filter { $0.severity <= 2 }
    }
    for (index, line) in Self.mistakes.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let codes = Set(found.filter { $0.line == index + 1 }.map(\.code))
      if let mark = line.range(of: "--> ") {
        #expect(codes.contains(String(line[mark.upperBound...])), "\(index + 1): \(line): \(codes)")
      } else {
        #expect(codes.isEmpty, "\(index + 1): \(line): \(codes)")
      }
    }
  }

  @Test(arguments: [
    ("event.", ["id", "type", "key", "time", "position", "data", "meta", "topic", "version"]),
    ("ctx.", ["emit", "send", "effect", "state", "env"]), ("moontide.", ["time"]),
    ("db.orders:", ["put", "get", "update", "delete", "add", "each"]), ("db:", ["query", "exec", "table"]),
  ])
  func `completion offers what there is`(text: String, names: [String]) throws {
    let project = try project("hello")
    let script = project.path + "/made/handlers/asking.lua"
    let isTable = text.hasPrefix("db")
    try Data(
      """
      \(isTable ? "projection" : "consumer") "asking" {
        \(isTable ? "schema = \"\"," : "")
        on = { A = function(event, \(isTable ? "db" : "ctx"))
          \(text)x()
        end },
      }

      """.utf8
    ).write(to: URL(fileURLWithPath: script))
    let offered = try asking(project.path + "/made") { server in
      try server.open(script)
      return try server.completions(script, line: 4, column: 5 + text.count)
    }
    #expect(offered.isSuperset(of: names), "\(offered.sorted())")
    #expect(!offered.contains("no_such_name"))
  }
}
