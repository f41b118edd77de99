import Foundation
import Testing

/// Hostile scripts, one project and one process each, judged from outside: what the process says, and when.
///
/// `Projects/attacks/*.txt` holds them. A file begins with a line of its own; then each attack has a line
/// `== what it is`, headers, and the text behind them:
///
///     kind: handler (the body of a consumer's function, the usual) · projection (of a projection's) ·
///           file (a whole handler file) · module (lib/other.lua, required by a handler) · settings
///     expect: harmless · budget · fails (one way or another) · error TEXT (the handler fails with it) ·
///           load WORD… (refused at load; each word is in the message)
///     data: the JSON of the event, `{}` when left out
///
/// `REPEAT(n,"text")` stands for the text n times. The handler gets the attack and then a calm event: that
/// one is handled in every case, so that the run goes on with a state that works.
@Suite(.serialized) struct SandboxBatteryTests {
  /// What one event may take here, and what may pass behind the deadline.
  private static let budgetMilliseconds = 100
  private static let graceMilliseconds = 250

  @Test func `no script hangs, crashes or leaves the sandbox, and the next event is handled`() throws {
    let attacks = try Attack.all()
    #expect(attacks.count >= 250, "\(attacks.count) attacks")
    // What a process takes that does no harm, on this machine at this time.
    var calm = Double.infinity
    for _ in 0..<3 { calm = min(calm, try judge(Attack(name: "calm", expectation: "harmless")).milliseconds) }
    for attack in attacks {
      var budget = Self.budgetMilliseconds
      // A failing event runs twice: with its batch, then alone.
      func twice() -> Double { 2 * Double(budget + Self.graceMilliseconds) }
      var allowed = twice() + 3 * calm
      var verdict = try judge(attack, budget)
      // The machine may have other work: what is late is judged again by what it does to a calm one now, and
      // what ends by itself has more time to do so.
      for _ in 0..<4 where verdict.milliseconds >= allowed || verdict.wasTooSlow {
        if verdict.wasTooSlow { budget = min(budget * 4, Self.budgetMilliseconds * 16) }
        let now = try judge(Attack(name: "calm", expectation: "harmless")).milliseconds
        allowed = twice() * max(1, now / calm) + 3 * now
        verdict = try judge(attack, budget)
      }
      for problem in verdict.problems { Issue.record("\(attack.name): \(problem)\n\(verdict.said)") }
      #expect(verdict.milliseconds < allowed, "\(attack.name) took \(Int(verdict.milliseconds)) ms")
    }
  }

  private struct Verdict {
    var milliseconds: Double
    var problems: [String]
    var said: String
    /// The time was over before the attack had begun.
    var wasTooSlow = false
  }

  private func judge(_ attack: Attack, _ budget: Int = budgetMilliseconds) throws -> Verdict {
    let project = try TestProject()
    try attack.write(to: project, milliseconds: budget)
    let began = ContinuousClock.now
    let outcome = try Binary.run(["run", project.path, "--once"], deadline: .seconds(20))
    let milliseconds = (ContinuousClock.now - began) / .milliseconds(1)
    var problems: [String] = []
    func expect(_ holds: Bool, _ problem: String) { if !holds { problems.append(problem) } }
    let (word, text) = attack.split
    if word == "load" {
      expect(outcome.status == 2, "status \(outcome.status), not 2")
      for part in text.split(separator: " ") { expect(outcome.errors.contains(part), "no `\(part)`") }
    } else {
      expect(outcome.status == 0, "status \(outcome.status), not 0")
      let failed = word == "harmless" ? 0 : 1
      let summary = "\(attack.title): \(2 - failed) applied"
      expect(outcome.errors.contains(summary), "no `\(summary)`")
      expect(outcome.errors.contains(", 1 dead") == (failed == 1), "dead letters")
    }
    if word == "error" {
      expect(outcome.errors.contains("attacker failed on Attack: \(text)"), "no `\(text)`")
    }
    if word == "budget" {
      let limits = ["E0302", "E0303", "E0304"].map { "error[\($0)]" }
      expect(limits.contains(where: outcome.errors.contains), "no budget tripped")
      expect(
        outcome.errors.contains(" allowed, ") && outcome.errors.contains("handlers/a.lua:"), "no figures")
    }
    let wasTooSlow =
      ["harmless", "error"].contains(word) && outcome.errors.contains("error[E0303]")
      || word == "load" && !text.contains("time") && outcome.errors.contains("time budget:")
    return Verdict(
      milliseconds: milliseconds, problems: problems, said: String(outcome.errors.prefix(600)),
      wasTooSlow: wasTooSlow)
  }
}

/// One entry of a file of attacks.
private struct Attack {
  var name: String
  var kind = "handler"
  var expectation = "harmless"
  var data = "{}"
  var text = ""

  init(name: String, expectation: String) {
    self.name = name
    self.expectation = expectation
  }

  /// From the lines behind `== `.
  init(section: Substring) {
    var lines = section.split(separator: "\n", omittingEmptySubsequences: false)
    name = String(lines.removeFirst())
    while let line = lines.first, let colon = line.firstIndex(of: ":") {
      let value = Attack.repeated(String(line[line.index(after: colon)...].dropFirst()))
      switch line[..<colon] {
      case "kind": kind = value
      case "expect": expectation = value
      case "data": data = value
      default:
        text = Attack.repeated(lines.joined(separator: "\n"))
        return
      }
      lines.removeFirst()
    }
    text = Attack.repeated(lines.joined(separator: "\n"))
  }

  static func all() throws -> [Attack] {
    let folder = TestProject.projects.appending(path: "attacks")
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.path < $1.path }.flatMap { file in
        try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n== ").dropFirst()
          .map { Attack(section: $0[...]) }
      }
  }

  /// `REPEAT(n,"text")` written out.
  private static func repeated(_ text: String) -> String {
    var out = ""
    var rest = text[...]
    while let open = rest.range(of: "REPEAT("), let comma = rest[open.upperBound...].range(of: ",\""),
      let close = rest[comma.upperBound...].range(of: "\")"),
      let count = Int(rest[open.upperBound..<comma.lowerBound])
    {
      let part = rest[comma.upperBound..<close.lowerBound]
        .replacingOccurrences(of: "\\\"", with: "\"").replacingOccurrences(of: "\\u{1B}", with: "\u{1B}")
      out += rest[..<open.lowerBound]
      out += String(repeating: part, count: count)
      rest = rest[close.upperBound...]
    }
    return out + rest
  }

  /// The first word of what is expected, and the rest.
  var split: (String, String) {
    let parts = expectation.split(separator: " ", maxSplits: 1)
    return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
  }

  /// The handler, as the summary of a run names it.
  var title: String {
    kind == "projection" || text.contains("projection \"attacker\"")
      ? "projection attacker" : "consumer attacker"
  }

  func write(to project: TestProject, milliseconds: Int) throws {
    let budget = "instructions = 1000000000000, time = \"\(milliseconds)ms\", memory = \"32MiB\""
    try project.write("return { budget = { \(budget) } }\n", to: "moontide.lua")
    try project.write(
      #"{"id":"1","type":"Attack","key":"a","data":\#(data)}"# + "\n"
        + #"{"id":"2","type":"Calm","key":"b","data":{}}"# + "\n", to: "events/a.jsonl")
    switch kind {
    case "file": try project.write(text, to: "handlers/a.lua")
    case "settings": try project.write(text, to: "moontide.lua")
    case "module":
      try project.write(text, to: "lib/other.lua")
      try project.write("require 'lib.other'\n", to: "handlers/a.lua")
    case "projection":
      try project.write(
        """
        projection "attacker" { schema = [[ create table t(id integer primary key, text text); ]], on = {
        Attack = function(event, db) \(text)
        end, Calm = function(event, db) db.t:put { id = 1 } end } }
        """, to: "handlers/a.lua")
    default:
      try project.write(
        """
        consumer "attacker" { from = "start", retry = { attempts = 1 }, on = {
        Attack = function(event, ctx) \(text)
        end, Calm = function(event, ctx) ctx.state.calm = true end } }
        """, to: "handlers/a.lua")
    }
  }
}
