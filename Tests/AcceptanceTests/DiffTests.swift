import BorrowedFixtures
import Foundation
import Testing

/// What `projection diff` says is what two whole builds say about each other.
@Suite(.serialized, .needsBorrowedFixtures) struct DiffTests {
  /// The rows that the command prints.
  private static func report(
    _ project: TestProject, _ more: [String], status: Int32 = 1
  ) throws -> (rows: [[String: Any]], errors: String) {
    let outcome = try Binary.run(
      ["projection", "diff", project.path, "sales", "--json", "--samples", "10000"] + more)
    #expect(outcome.status == status, "\(outcome.errors)")
    let rows = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
    return (try #require(rows), outcome.errors)
  }

  private static func text(_ row: [String: Any], _ name: String) -> String { row[name] as? String ?? "" }

  private static let samples: Set<String> = ["row added", "row removed", "value changed"]

  @Test func `five edits: every difference and its first event are those of two builds`() throws {
    let lines = try DiffProject.lines()
    let old = try DiffProject.built(try DiffProject.script(), lines)
    let oldTrail = try DiffProject.built(try DiffProject.script(isTrailed: true), lines)
    let parts = lines.utf8.split(separator: UInt8(ascii: "\n")).map { Substring($0).utf8 }
    for (name, edit) in DiffProject.edits.sorted(by: { $0.key < $1.key }) {
      let script = try DiffProject.script(edit)
      let new = try DiffProject.built(script, lines)
      let newTrail = try DiffProject.built(try DiffProject.script(edit, isTrailed: true), lines)
      let builds = DiffProject(old: old, new: new, oldTrail: oldTrail, newTrail: newTrail)
      try old.write(script, to: "edited.lua")
      let (rows, errors) = try Self.report(old, ["--with", old.path + "/edited.lua"])
      for table in DiffProject.tables {
        let told = rows.filter { Self.text($0, "table") == table.name }
        let samples = told.filter { Self.samples.contains(Self.text($0, "change")) }
        let expected = try builds.differences(table)
        compare(samples.map { DiffProject.line(table.name, $0) }, expected, "\(name), \(table.name)")
        counts(told, expected, table, name)
        try firsts(samples, try builds.firsts(table), table, name)
      }
      try special(name, rows, errors, builds, parts)
    }
  }

  /// `row added | -`, `value changed | pence`: what a line is a sample of.
  private static func kind(_ line: String) -> String {
    line.components(separatedBy: " | ")[1...2].joined(separator: " | ")
  }

  /// All differences are shown, or as many of each kind as may be asked for.
  private func compare(_ told: [String], _ expected: [String], _ what: String) {
    var rest: [String: Int] = [:]
    for line in expected { rest[line, default: 0] += 1 }
    var foreign: [String] = []
    for line in told {
      rest[line, default: 0] -= 1
      if rest[line] == -1 { foreign.append(line) }
    }
    let first = foreign.first ?? ""
    #expect(foreign.isEmpty, "\(what): \(foreign.count) that no build has, \(first)")
    let (shown, all) = (
      Dictionary(grouping: told, by: Self.kind).mapValues(\.count),
      Dictionary(grouping: expected, by: Self.kind).mapValues { min($0.count, 10_000) }
    )
    #expect(shown == all, "\(what)")
  }

  /// The counts are those of the builds.
  private func counts(
    _ told: [[String: Any]], _ expected: [String], _ table: DiffProject.Table, _ edit: String
  ) {
    let kinds = Dictionary(grouping: expected, by: Self.kind)
    func count(_ change: String, _ column: String?) -> Int {
      let row = told.first {
        Self.text($0, "change") == change && $0["column"] as? String == column && $0["rows"] is Int
      }
      return row?["rows"] as? Int ?? 0
    }
    for change in ["added", "removed"] {
      let those = kinds["row \(change) | -"]?.count ?? 0
      #expect(count("rows \(change)", nil) == those, "\(edit), \(table.name)")
    }
    var keys: Set<String> = []
    for column in table.columns {
      let those = kinds["value changed | \(column)"] ?? []
      #expect(count("rows changed", column) == those.count, "\(edit), \(table.name), \(column)")
      keys.formUnion(those.map { $0.components(separatedBy: " | ")[3] })
    }
    #expect(count("rows changed", nil) == keys.count, "\(edit), \(table.name)")
  }

  private func firsts(
    _ samples: [[String: Any]], _ expected: [String: [Int?]], _ table: DiffProject.Table, _ edit: String
  ) throws {
    let columns = table.name == "customers" ? ["pence", "orders"] : ["pieces", "pence"]
    for row in samples {
      var key = "\(row["key"] ?? "")"
      if table.key == nil {
        let side = Self.text(row, "change") == "row added" ? "new" : "old"
        let values = try JSONSerialization.jsonObject(with: Data(Self.text(row, side).utf8)) as? [String: Any]
        key = "\(values?["invoice"] ?? "") \(values?["country"] as? String ?? "NULL")"
      }
      let place =
        if table.name == "notes" { 1 } else if let column = row["column"] as? String {
          (columns.firstIndex(of: column) ?? -1) + 1
        } else { 0 }
      let first = try #require(expected[key], "\(edit), \(table.name), \(key)")[place]
      #expect(row["first_position"] as? Int == first, "\(edit), \(table.name), \(key), \(row)")
    }
  }

  /// What belongs to one edit only, and the view, and the events that are named.
  private func special(
    _ edit: String, _ rows: [[String: Any]], _ errors: String, _ builds: DiffProject,
    _ lines: [Substring.UTF8View]
  ) throws {
    let column = rows.filter { Self.text($0, "change") == "column added" }
    #expect(column.count == (edit == "column" ? 1 : 0))
    if edit == "column" {
      let customers = try builds.count("n.customers where lines is not null")
      #expect(column[0]["rows"] as? Int == customers)
      #expect(rows.count == 1, "a new column changes no row: \(rows)")
    }
    let handled = rows.filter { Self.text($0, "change") == "handled" }
    #expect(handled.count == (edit == "type" ? 2 : 0))
    if edit == "type" {
      let cancelled = try builds.count("main.cancelled")
      #expect(handled.map { Self.text($0, "key") } == ["OrderCancelled", "OrderLost"])
      #expect(handled[0]["rows"] as? Int == cancelled)
    }
    #expect(errors.contains("`contry`") == (edit == "misspelt"), "\(errors)")
    #expect(errors.contains("did you mean `country`") == (edit == "misspelt"), "\(errors)")
    let rich = rows.filter { Self.text($0, "table") == "rich" && $0["rows"] is Int }
    let views = try builds.viewDifferences()
    #expect(rich.map { "\($0["change"] ?? "") \($0["rows"] ?? 0)" } == views, "\(edit)")
    try events(rows, lines, edit)
  }

  /// Positions are lines of the file: the events that are named are those. Of many positions the first.
  private func events(_ rows: [[String: Any]], _ lines: [Substring.UTF8View], _ edit: String) throws {
    var seen: Set<Int> = []
    for row in rows {
      guard let position = row["first_position"] as? Int, seen.count < 500, seen.insert(position).inserted
      else { continue }
      let event = try JSONSerialization.jsonObject(with: Data(lines[position])) as? [String: Any]
      for field in ["id", "type", "key", "time"] {
        #expect(row["first_\(field)"] as? String == event?[field] as? String, "\(edit), \(row)")
      }
    }
  }

  @Test func `an edited script is compared with the live read model, and then there is nothing to compare`()
    throws
  {
    let lines = try DiffProject.lines().split(separator: "\n").prefix(200).joined(separator: "\n") + "\n"
    let project = try DiffProject.built(try DiffProject.script(), lines)
    let script = try DiffProject.script(try #require(DiffProject.edits["rounding"]))
    try project.write(script, to: "edited.lua")
    let (with, _) = try Self.report(project, ["--with", project.path + "/edited.lua"])
    try project.write(script, to: "handlers/sales.lua")
    let (without, _) = try Self.report(project, [])
    #expect(with.contains { $0["first_position"] is Int })
    #expect(with as NSArray == without as NSArray)
    // What was at work is kept; a project of an older moontide has none of it.
    try FileManager.default.removeItem(at: project.folder.appending(path: "data/scripts"))
    let (undated, errors) = try Self.report(project, [])
    #expect(undated.count == with.count)
    #expect(!undated.contains { $0["first_position"] is Int })
    #expect(errors.contains("the script of the live read model is not kept"), "\(errors)")
    try project.runOnce()
    let (none, note) = try Self.report(project, [], status: 0)
    #expect(none.isEmpty)
    #expect(note.contains("--with"), "\(note)")
  }
}
