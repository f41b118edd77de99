import BorrowedFixtures
import Foundation

/// A read model over `retail` in versions that differ by one edit, and what two whole builds of them say
/// about each other: worked out by the shell of SQLite, and for first events from tables in which the scripts
/// themselves wrote down every row that they changed.
struct DiffProject {
  /// Replacements in the text of the script.
  typealias Edit = [(of: String, by: String)]

  static let edits: [String: Edit] = [
    "rounding": [("* 100 + 0.5)", "* 100)")],
    "filter": [
      ("local pence", "if event.data.country ~= \"United Kingdom\" then return end\n      local pence")
    ],
    "column": [
      ("orders integer);", "orders integer, lines integer);"),
      ("orders = 1 }", "orders = 1, lines = #event.data.lines }"),
    ],
    "misspelt": [("event.data.country", "event.data.contry")],
    "type": [("OrderCancelled = function", "OrderLost = function")],
  ]

  /// The events of the set that are used; all with `MOONTIDE_DIFF=all`.
  static func lines() throws -> String {
    let all = try Gzip.text(try BorrowedFixtures.events("retail"))
    let setting = ProcessInfo.processInfo.environment["MOONTIDE_DIFF"] ?? "600"
    if setting == "all" { return all }
    guard let count = Int(setting) else { throw Fault("MOONTIDE_DIFF is a count or all, not \(setting)") }
    return all.split(separator: "\n").prefix(count).joined(separator: "\n") + "\n"
  }

  private static let mark = "local function mark(event, db, name, key, row, a, b) end"
  private static let trail = """
    local function mark(event, db, name, key, row, a, b)
      db.trail:put { tbl = name, key = key, position = event.position, v1 = row[a], v2 = b and row[b] or null }
    end
    """

  /// - Parameter isTrailed: whether it writes down what it changes.
  static func script(_ edit: Edit = [], isTrailed: Bool = false) throws -> String {
    var text = """
      \(isTrailed ? trail : mark)
      projection "sales" {
        schema = [[
          create table customers(customer text primary key, pence integer, orders integer);
          create table days(day text, country text, pieces integer, pence integer, primary key(country, day));
          create table cancelled(invoice text, country text);
          create virtual table notes using fts5(invoice unindexed, words);
          create view rich as select customer, pence from customers where pence > 50000;
          \(isTrailed
            ? "create table trail(tbl text, key text, position integer, v1, v2, primary key(tbl, key, position));"
            : "")
        ]],
        on = {
          OrderPlaced = function(event, db)
            local pence, pieces = 0, 0
            for _, line in ipairs(event.data.lines) do
              pieces = pieces + line.quantity
              pence = pence + line.quantity * math.floor(line.unitPrice * 100 + 0.5)
            end
            db.customers:add(event.key, { pence = pence, orders = 1 })
            mark(event, db, "customers", event.key, db.customers:get(event.key), "pence", "orders")
            local day = event.time:sub(1, 10)
            if event.data.country then
              db.days:add({ event.data.country, day }, { pieces = pieces, pence = pence })
              mark(event, db, "days", '["' .. event.data.country .. '","' .. day .. '"]',
                db.days:get { event.data.country, day }, "pieces", "pence")
            end
            db.notes:put { invoice = event.data.invoice, words = event.data.country }
            mark(event, db, "notes", event.data.invoice, db.notes:get(event.data.invoice), "words")
          end,
          OrderCancelled = function(event, db)
            local row = { invoice = event.data.invoice, country = event.data.country }
            db.cancelled:put(row)
            mark(event, db, "cancelled", event.data.invoice .. " " .. (event.data.country or "NULL"), row, "country")
          end,
        },
      }
      """
    for (old, new) in edit {
      guard text.contains(old) else { throw Fault("the script has no \(old)") }
      text = text.replacingOccurrences(of: old, with: new)
    }
    return text
  }

  /// A project with the events and that script, run to its end.
  static func built(_ script: String, _ lines: String) throws -> TestProject {
    let project = try TestProject()
    try project.write(lines, to: "events/retail.jsonl")
    try project.write(script, to: "handlers/sales.lua")
    try project.runOnce()
    return project
  }

  // MARK: What two builds say

  /// A table: the columns that both versions have, and its key as SQL, nil where it has none.
  struct Table {
    var name: String
    var key: String?
    var columns: [String]
  }

  static let tables = [
    Table(name: "customers", key: "customer", columns: ["customer", "pence", "orders"]),
    Table(name: "days", key: "json_array(country, day)", columns: ["day", "country", "pieces", "pence"]),
    Table(name: "cancelled", key: nil, columns: ["invoice", "country"]),
    Table(name: "notes", key: "invoice", columns: ["invoice", "words"]),
  ]

  private let pair: String
  private let trails: String
  private let newTrail: String
  private let newPath: String

  init(old: TestProject, new: TestProject, oldTrail: TestProject, newTrail: TestProject) {
    let model = { (project: TestProject) in
      project.folder.appending(path: "data/readmodels/sales.sqlite").path
    }
    pair = model(old)
    newPath = model(new)
    trails = model(oldTrail)
    self.newTrail = model(newTrail)
  }

  private func select(_ file: String, _ other: String, _ sql: String) throws -> [[String: Any]] {
    let text = try Sqlite.run(file, "attach '\(other)' as n;\n.mode json\n\(sql)")
    if text.isEmpty { return [] }
    return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] ?? []
  }

  /// Every row and value that differs, as the command's rows have them, without their first events.
  func differences(_ table: Table) throws -> [String] {
    let all = table.columns.map { "'\($0)', \($0)" }.joined(separator: ", ")
    guard let key = table.key else { return try contents(table, all) }
    let name = table.name
    var parts = [("added", "n", "main", "new"), ("removed", "main", "n", "old")].map {
      change, here, there, side in
      """
      select 'row \(change)' as change, null as "column", \(key) as key, \(side == "old" ? "json_object(\(all))" : "null") as old,
        \(side == "new" ? "json_object(\(all))" : "null") as new from \(here).\(name)
        where \(key) not in (select \(key) from \(there).\(name))
      """
    }
    // In tables of their own with an index: neither a list of values nor a full-text table has one.
    let columns = table.columns.joined(separator: ", ")
    let indexed = [("o", "main"), ("p", "n")].map { copy, schema in
      "create temp table \(copy) as select \(key) as k, \(columns) from \(schema).\(name);"
        + "create index temp.\(copy)_k on \(copy)(k);"
    }.joined()
    for column in table.columns {
      parts.append(
        indexed
          + """
          select 'value changed' as change, '\(column)' as "column", k as key, o.\(column) as old,
            p.\(column) as new from o join p using (k) where o.\(column) is not p.\(column)
          """)
    }
    return try parts.flatMap { try select(pair, newPath, $0 + ";") }.map { Self.line(name, $0) }
  }

  /// Of a table without a key: by how often each content is there.
  private func contents(_ table: Table, _ all: String) throws -> [String] {
    let rows = try select(
      pair, newPath,
      """
      select c, sum(o) as o, sum(p) as p from (
        select json_object(\(all)) as c, 1 as o, 0 as p from main.\(table.name) union all
        select json_object(\(all)), 0, 1 from n.\(table.name)) group by c having sum(o) <> sum(p);
      """)
    return rows.flatMap { row -> [String] in
      let (old, new) = (row["o"] as? Int ?? 0, row["p"] as? Int ?? 0)
      let fields: [String: Any] = [
        "change": old > new ? "row removed" : "row added", (old > new ? "old" : "new"): row["c"] ?? NSNull(),
      ]
      return Array(repeating: Self.line(table.name, fields), count: abs(old - new))
    }
  }

  static func line(_ table: String, _ row: [String: Any]) -> String {
    let text = { (name: String) in row[name].map { $0 is NSNull ? "-" : "\($0)" } ?? "-" }
    return [table, text("change"), text("column"), text("key"), text("old"), text("new")].joined(
      separator: " | ")
  }

  /// By key: the first position after which the row differs, and each of its two columns.
  func firsts(_ table: Table) throws -> [String: [Int?]] {
    let name = table.name
    let past = { (schema: String) in
      """
      (select max(position) from \(schema).trail t where t.tbl = '\(name)' and t.key = p.key
        and t.position <= p.position)
      """
    }
    // A content of a table without a key is written once: the row is there or not.
    let rows = try select(
      trails, newTrail,
      """
      with p as (select key, position from main.trail where tbl = '\(name)'
          union select key, position from n.trail where tbl = '\(name)'),
        s as (select key, position, \(past("main")) as op, \(past("n")) as np from p)
      select s.key as key, min(case when (op is null) <> (np is null) or o.v1 is not m.v1 or o.v2 is not m.v2
          then s.position end) as f,
        min(case when (op is null) <> (np is null) or o.v1 is not m.v1 then s.position end) as f1,
        min(case when (op is null) <> (np is null) or o.v2 is not m.v2 then s.position end) as f2
      from s left join main.trail o on o.tbl = '\(name)' and o.key = s.key and o.position = s.op
        left join n.trail m on m.tbl = '\(name)' and m.key = s.key and m.position = s.np group by s.key;
      """)
    var found: [String: [Int?]] = [:]
    for row in rows { found["\(row["key"] ?? "")"] = ["f", "f1", "f2"].map { row[$0] as? Int } }
    return found
  }

  /// Of a table of the new build, `n.…`.
  func count(_ table: String) throws -> Int {
    try select(pair, newPath, "select count(*) as c from \(table);").first?["c"] as? Int ?? -1
  }

  /// `rows added 3`, `rows removed 4` of the view; it has no equal rows.
  func viewDifferences() throws -> [String] {
    let only = { (here: String, there: String) in
      "select count(*) as c from (select * from \(here).rich except select * from \(there).rich);"
    }
    let added = try select(pair, newPath, only("n", "main")).first?["c"] as? Int ?? -1
    let removed = try select(pair, newPath, only("main", "n")).first?["c"] as? Int ?? -1
    return (added > 0 ? ["rows added \(added)"] : []) + (removed > 0 ? ["rows removed \(removed)"] : [])
  }
}
