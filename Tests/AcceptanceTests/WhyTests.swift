import BorrowedFixtures
import Foundation
import Testing

/// The events that `why` names are enough: they alone give the row again.
@Suite(.serialized) struct WhyTests {
  private struct EventSet {
    var name: String
    var handlers: String
    var projection: String
    /// Tables and the columns of their keys.
    var tables: [(name: String, keys: [String])]
    /// Lines of the set, where not all of it is gone through.
    var lines: Int
  }

  private static let sets = [
    EventSet(
      name: "orders", handlers: "why-orders", projection: "parcels",
      tables: [
        ("orders", ["id"]), ("packages", ["id"]), ("packed", ["order_id", "package_id"]), ("items", ["id"]),
        ("waiting", ["id"]), ("found", ["id"]),
      ], lines: 4_000),
    EventSet(
      name: "loans", handlers: "why-loans", projection: "applications",
      tables: [
        ("applications", ["id"]), ("work", ["resource", "activity"]),
        ("open_work", ["application", "activity"]),
      ], lines: 5_000),
    EventSet(
      name: "retail", handlers: "retail", projection: "sales",
      tables: [
        ("types", ["type"]), ("countries", ["country"]), ("customers", ["customer"]), ("anonymous", ["key"]),
        ("stock", ["stock"]), ("months", ["month"]),
      ], lines: 700),
  ]

  /// `MOONTIDE_ROWS` rows over all three sets, whole; without it a few of their beginnings.
  @Test(.needsBorrowedFixtures, arguments: Self.sets.indices)
  func `replaying only the named events gives the row`(_ index: Int) throws {
    let set = Self.sets[index]
    let asked = ProcessInfo.processInfo.environment["MOONTIDE_ROWS"].flatMap { Int($0) }
    let seed = UInt64.random(in: 0...999_999)
    print("WhyTests \(set.name) seed \(seed)")
    var random = SeededGenerator(seed: seed)
    let all = try Gzip.text(try BorrowedFixtures.events(set.name)).split(separator: "\n")
    let lines = asked == nil ? Array(all.prefix(set.lines)) : all
    let project = try TestProject()
    try project.useHandlers(of: set.handlers)
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/\(set.name).jsonl")
    try project.runOnce()
    var byID: [String: Int] = [:]
    for (number, line) in lines.enumerated() {
      byID[String(try #require(line.dropFirst(7).split(separator: "\"").first))] = number
    }
    let rows = asked.map { ($0 + 2) / 3 } ?? 3
    let first = Int.random(in: 0..<set.tables.count, using: &random)
    for number in 0..<rows {
      let table = set.tables[(number + first) % set.tables.count]
      let columns = table.keys.joined(separator: ", ")
      let count = Int(try project.query("select count(*) from \(table.name)")[0][0].description) ?? 0
      guard count > 0 else { continue }
      let offset = Int.random(in: 0..<count, using: &random)
      let found = try object(
        project, "select * from \(table.name) order by \(columns) limit 1 offset \(offset)")
      let row = try #require(found)
      let key = table.keys.map { "\(row[$0] ?? "")" }
      let writes = try why(project, table.name, key)
      try expectChain(writes, leadsTo: row, "\(set.name) \(table.name) \(key) seed \(seed)")

      let ids = Set(writes.compactMap { $0["id"] as? String })
      let part = try TestProject()
      try part.useHandlers(of: set.handlers)
      let own = try ids.map { try #require(byID[$0]) }.sorted().map { lines[$0] }
      try part.write(own.joined(separator: "\n") + "\n", to: "events/\(set.name).jsonl")
      try part.runOnce()
      let condition = zip(table.keys, key).map { "\($0) = '\($1)'" }.joined(separator: " and ")
      let again = try object(part, "select * from \(table.name) where \(condition)")
      #expect(
        again.map { $0 as NSDictionary } == row as NSDictionary,
        "\(set.name) \(table.name) \(key) of \(ids.count) events, seed \(seed)")
    }
  }

  /// Each value before is the one that the write before left, and the last ones are the row.
  private func expectChain(_ writes: [[String: Any]], leadsTo row: [String: Any], _ name: String) throws {
    var values: [String: NSObject] = [:]
    for write in writes {
      guard let column = write["column"] as? String else { continue }
      let old = write["old"] as? NSObject ?? NSNull()
      #expect((values[column] ?? NSNull()) == old, "\(name): \(write)")
      values[column] = write["new"] as? NSObject
    }
    for (column, value) in row where !(value is NSNull) {
      #expect(values[column] == value as? NSObject, "\(name): \(column)")
    }
    let positions = writes.compactMap { $0["position"] as? Int }
    #expect(positions == positions.sorted() && !positions.isEmpty, "\(name)")
  }

  private func why(_ project: TestProject, _ table: String, _ key: [String]) throws -> [[String: Any]] {
    let text = try Binary.succeed(["why", "-C", project.path, "--json", "-q", "--", table] + key)
    return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
  }

  private func object(_ project: TestProject, _ sql: String) throws -> [String: Any]? {
    let text = try Binary.succeed(["query", project.path, sql, "--json"])
    return (try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])?.first
  }
}
