import Foundation
import Testing

/// Upcasters in questions about the past: what is asked as of a moment is what a log that ends there gives,
/// and no kept fold outlives an edit of a script that it was made by.
@Suite(.serialized) struct PastUpcastingTests {
  /// Four types in three versions over 1,500 minutes, some of them late: `Sold` is renamed, `Moved` split,
  /// `Pinged` dropped, `Priced` goes through a chain of two.
  private static let lines: [Line] = {
    var random = SeededGenerator(seed: 20_261_124)
    var lines = (0..<1_500).map { n in
      let type = ["Sold", "Moved", "Pinged", "Priced"][n % 4]
      let version = type == "Priced" ? 1 + n / 4 % 3 : 1
      let data =
        switch (type, version) {
        case ("Moved", _): #"{"from":"s-\#(n % 5)","to":"s-\#(n % 3)","n":\#(n)}"#
        case ("Priced", 1): #"{"euros":\#(n)}"#
        case ("Priced", 2): #"{"cents":\#(n * 100)}"#
        case ("Priced", _): #"{"amount":{"cents":\#(n * 100)}}"#
        default: #"{"n":\#(n)}"#
        }
      let text =
        #"{"id":"e-\#(n)","type":"\#(type)","version":\#(version),"key":"k-\#(n % 7)","#
        + #""time":"\#(time(n))","data":\#(data)}"#
      return Line(minute: n, text: text)
    }
    for index in lines.indices where Int.random(in: 0..<12, using: &random) == 0 {
      lines.swapAt(index, Int.random(in: index..<lines.count, using: &random))
    }
    return lines
  }()

  private struct Line {
    var minute: Int
    var text: String
  }

  private static func time(_ n: Int) -> String {
    StreamLines.text(1_709_251_200_000_000 + Int64(n) * 60_000_000)
  }

  private struct Scripts {
    var factor = 1
    var shift = 0
    var label = "moved"

    /// In a file of their own, so that an edit of them leaves the handlers as they are.
    var upcasters: String {
      """
      local prices = require "lib.prices"
      upcaster "Sold" { [1] = function(data) return rename("GoodsSold", { number = data.n + \(shift) }) end }
      upcaster "Moved" {
        [1] = function(data)
          return split {
            events.Left({ n = data.n }, { key = data.from }), events.Came({ n = data.n }, { key = data.to }),
          }
        end,
      }
      upcaster "Pinged" { [1] = function() return drop() end }
      upcaster "Priced" {
        [1] = function(data) return { cents = prices.cents(data.euros) } end,
        [2] = function(data) return { amount = { cents = data.cents } } end,
      }
      """
    }

    var handlers: String {
      """
      local function take(event, db)
        local number = event.data.number or event.data.n or event.data.amount.cents
        db.seen:put { id = event.id, type = event.type, key = event.key, number = number }
        db.sums:add(event.key, { n = 1, cents = event.type == "Priced" and number or 0 })
        if event.type == "Came" then db.sums:add("\(label)", { n = 1 }) end
      end
      projection "shelves" {
        schema = [[create table seen(id text primary key, type text, key text, number integer);
          create table sums(name text primary key, n integer, cents integer);]],
        on = { GoodsSold = take, Left = take, Came = take, Priced = take },
      }
      decider "shelf" {
        topic = "events", key = "shelf", snapshot_every = 2,
        initial = function() return { trail = 0, types = {} } end,
        decide = { Nothing = function() return {} end },
        evolve = {
          ["*"] = function(state, event)
            local number = event.data.number or event.data.n or event.data.amount.cents
            state.trail = (state.trail * 31 + number) % 1000003
            state.types[event.type] = (state.types[event.type] or 0) + 1
            return state
          end,
        },
      }
      """
    }

    var module: String { "return { cents = function(euros) return euros * 100 * \(factor) end }" }

    func write(to project: TestProject) throws {
      try project.write(upcasters, to: "handlers/history.lua")
      try project.write(handlers, to: "handlers/shelves.lua")
      try project.write(module, to: "lib/prices.lua")
    }
  }

  private static func project(_ lines: some Sequence<Line>, _ scripts: Scripts) throws -> TestProject {
    let project = try TestProject()
    try scripts.write(to: project)
    try project.write(lines.map { $0.text + "\n" }.joined(), to: "events/all.jsonl")
    try project.runOnce(["--fail-on-dead"])
    return project
  }

  private static let questions = [
    "select id, type, key, number from seen order by id", "select name, n, cents from sums order by name",
  ]
  private static let keys = ["k-0", "k-6"]

  private static func answers(_ project: TestProject, _ past: [String] = []) throws -> [[[JSONCell]]] {
    try questions.map { try project.query($0, past) }
  }

  /// Version, time, type and state of each event of some streams.
  private static func states(_ project: TestProject, _ past: [String] = []) throws -> [[String]] {
    try keys.map { key in
      let text = try Binary.succeed(
        ["-C", project.path, "state", "shelf", key, "--json", "--history"] + past)
      let rows = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
      return rows.map {
        "\($0["version"] ?? "") \($0["time"] ?? "") \($0["type"] ?? "") \($0["state"] ?? "")"
      }
    }
  }

  private static func happened(by minute: Int, _ lines: some Sequence<Line>) -> [Line] {
    lines.filter { $0.minute <= minute }
  }

  @Test func `upcast events of the past are those of a log that ends there, in read models and in states`()
    throws
  {
    let project = try Self.project(Self.lines, Scripts())
    for minute in [0, 333, 1_111] {
      let cut = try Self.project(Self.happened(by: minute, Self.lines), Scripts())
      let past = ["--as-of", Self.time(minute)]
      #expect(try Self.answers(project, past) == Self.answers(cut), "as of minute \(minute)")
      #expect(try Self.states(project, past) == Self.states(cut), "as of minute \(minute)")
    }
    let known = Self.lines.prefix(701)
    let cut = try Self.project(known, Scripts())
    #expect(try Self.answers(project, ["--as-known", "#700"]) == Self.answers(cut))
    #expect(try Self.states(project, ["--as-known", "#700"]) == Self.states(cut))
    let both = try Self.project(Self.happened(by: 500, known), Scripts())
    let past = ["--as-known", "#700", "--as-of", Self.time(500)]
    #expect(try Self.answers(project, past) == Self.answers(both))
    #expect(try Self.states(project, past) == Self.states(both))
    let types = try project.query("select type, count(*) from seen group by 1 order by 1").map {
      $0[0].description
    }
    #expect(types == ["Came", "GoodsSold", "Left", "Priced"])
  }

  @Test func `a kept fold never meets an edited upcaster, module or projection`() throws {
    let project = try Self.project(Self.lines, Scripts())
    let past = ["--as-of", Self.time(900)]
    let lines = Self.happened(by: 900, Self.lines)
    let plain = try Self.answers(project, past)
    var edits: [Scripts] = [Scripts(factor: 2), Scripts(shift: 1), Scripts(label: "arrived")]
    edits.append(Scripts())
    for edit in edits {
      try edit.write(to: project)
      let answers = try Self.answers(project, past)
      let cut = try Self.project(lines, edit)
      #expect(try answers == Self.answers(cut), "\(edit)")
      #expect(try Self.states(project, past) == Self.states(cut), "\(edit)")
      #expect((answers == plain) == (edit.factor == 1 && edit.shift == 0 && edit.label == "moved"), "\(edit)")
    }
  }
}
