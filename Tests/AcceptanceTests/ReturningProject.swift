import Foundation
import Testing

/// A project whose events are numbered, each with an id of its own, and whose scripts go and come back.
final class ReturningProject {
  let project: TestProject
  private(set) var placed = 0

  init(_ scripts: [String: String]) throws {
    project = try TestProject()
    for (name, text) in scripts { try write(text, name) }
    try FileManager.default.createDirectory(
      at: project.folder.appending(path: "out"), withIntermediateDirectories: true)
  }

  func place(_ count: Int) throws {
    let lines = (placed..<placed + count).map {
      #"{"id":"e-\#($0)","type":"Placed","key":"k-\#($0 % 3)","data":{}}"# + "\n"
    }
    try project.write(lines.joined(), to: "events/\(placed).jsonl")
    placed += count
  }

  func write(_ text: String, _ name: String) throws { try project.write(text, to: "handlers/\(name).lua") }

  func remove(_ name: String) throws {
    try FileManager.default.removeItem(at: project.folder.appending(path: "handlers/\(name).lua"))
  }

  func rows(_ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  func files(_ folder: String) throws -> [String] {
    let path = project.folder.appending(path: "data/\(folder)").path
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".sqlite") }
      .sorted()
  }

  func run(_ more: [String] = ["--watch"], crashAt place: String? = nil) throws -> LiveRun {
    try LiveRun(
      ["run", project.path] + more, limits: place.map { "export MOONTIDE_CRASH_AT=\($0)" } ?? "true")
  }

  /// Until that many events of the handler's topic are in the log.
  func wait(for count: Int, of name: String = "notes", _ run: LiveRun) throws {
    do {
      try LiveRun.wait("\(count) events of \(name)") {
        try rows("select count(*) from sys.events where topic = '\(name)'") == ["\(count)"]
      }
    } catch { throw Fault("\(error): \(run.told)") }
  }

  /// Each event was handled once, in the order of its key, and its effect was done once.
  func expectOnce(_ name: String = "notes", _ comment: String = "") throws {
    #expect(
      try rows(
        """
        select count(*), count(distinct id) from (select row_number() over (partition by key order by
        position) place, json_extract(data, '$.n') n, id from sys.events where topic = '\(name)')
        where n = place
        """) == ["\(placed)|\(placed)"], "\(comment)")
    try LiveRun.wait("all effects") {
      try rows("select count(*) from sys.effects where handler = '\(name)' and state <> 'done'") == ["0"]
    }
    let lines = try String(
      contentsOf: project.folder.appending(path: "out/\(name).log"), encoding: .utf8
    ).split(separator: "\n")
    #expect(lines.count == placed && Set(lines).count == placed, "\(comment): \(lines.count) lines")
  }

  // MARK: Scripts

  static func consumer(
    _ version: Int = 1, name: String = "notes", from: String = "from = \"start\",", more: String = ""
  ) -> String {
    """
    consumer "\(name)" { \(from) \(more)
      on = { Placed = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.effect("log", { file = "out/\(name).log", text = event.id })
        ctx.emit { type = "Noted", topic = "\(name)", data = { v = \(version), n = ctx.state.n } }
      end },
    }
    """
  }

  static func projection(_ status: String) -> String {
    """
    projection "orders" {
      schema = [[ create table orders(id text primary key, status text); ]],
      on = { Placed = function(event, db) db.orders:put { id = event.id, status = "\(status)" } end },
    }
    """
  }

  static func saga(_ step: String, done: String = "Paid") -> String {
    """
    saga "flow" {
      starts_on = "Placed", from = "start",
      correlate = function(event) return event.data.id or event.id end,
      initial = function(event) return { id = event.id } end,
      steps = {
        { name = "\(step)", send = function(state) return commands.Count { stream = state.id } end,
          succeeds_on = "\(done)" },
      },
    }
    """
  }

  static let decider = """
    decider "counter" { topic = "counted", key = "stream",
      initial = function() return { n = 0 } end,
      decide = { Count = function(command, state) return events.Counted { n = state.n, id = command.data.stream } end },
      evolve = { Counted = function(state) state.n = state.n + 1 return state end },
    }
    """
}
