import Foundation
import Testing

/// `check` reports everything at once.
@Suite struct CheckTests {
  @Test func `all problems of a project are told in one go, each with place, excerpt and help`() throws {
    let project = try TestProject()
    try project.write(
      """
      projection "orders" {
        schema = [[
          create table orders(id text primary key, status text);
          create index by_customer on orders(customer);
        ]],
        onn = { OrderPlaced = function(event, db) end },
      }
      """, to: "handlers/a.lua")
    try project.write(
      "projection \"broken\" {\n  on = { A = function(event db) end },\n}\n", to: "handlers/b.lua")
    try project.write(
      """
      projection "revenue" {
        schema = [[ create tabel revenue(day text primary key); ]],
        on = { A = function(event, db) end },
      }
      consumer "mail" { on = { A = function(event, ctx) end } }
      """, to: "handlers/c.lua")
    try project.write("consumer \"mail\" { on = { A = function(event, ctx) end } }\n", to: "handlers/d.lua")
    let outcome = try Binary.run(["check", project.path, "--error-format", "json"])
    #expect(outcome.status == 2)
    let problems = try outcome.errors.split(separator: "\n").filter { $0.hasPrefix("{") }.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    let places = problems.map { "\($0["file"] ?? ""):\($0["line"] ?? "") \($0["code"] ?? "")" }
    #expect(
      places == [
        "handlers/a.lua:4 E0118", "handlers/a.lua:6 E0110", "handlers/b.lua:2 E0101",
        "handlers/c.lua:2 E0118", "handlers/d.lua:1 E0115",
      ])
    for problem in problems {
      let labels = try #require(problem["details"] as? [[String: String]]).compactMap { $0["label"] }
      #expect(labels.contains("help"), "\(problem)")
      #expect(problem["excerpt"] is String && problem["column"] is Int, "\(problem)")
    }
  }
}
