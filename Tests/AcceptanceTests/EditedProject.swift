import Foundation

/// A project whose scripts are edited while it runs. Each good edition of the projection writes numbers that
/// no other edition writes, so that a poll shows by itself which edition folded it, and how far.
final class EditedProject {
  let project: TestProject
  /// Editions that were good, in the order in which they were written.
  private(set) var good: [Int] = []
  /// The projection's name now.
  private(set) var name = "cases"
  private var was: String?
  private var file = "handlers/cases.lua"
  private var edition = 0
  private var renamings = 0

  init() throws {
    project = try TestProject()
    try writeGood()
    try writeConsumer(1)
  }

  private func script(_ edition: Int) -> String {
    """
    local words = require "lib.words"
    projection "\(name)" {
      \(was.map { "was = \"\($0)\"," } ?? "")
      topics = { "events" },
      schema = [[
        create table cases(id text primary key, events integer, weight integer, edition integer);
        create table progress(one integer primary key, n integer, hash integer, edition integer);
      ]],
      on = { ["*"] = function(event, db)
        db.cases:add(event.key, { events = 1, weight = \(edition) * words.weight(event.type) })
        db.cases:put { id = event.key, edition = \(edition) }
        local so_far = db.progress:get(1) or { n = 0, hash = 0 }
        db.progress:put { one = 1, n = so_far.n + 1, edition = \(edition),
          hash = (so_far.hash * 31 + tonumber(event.key) * \(edition) + #event.type) % 1000000007 }
      end },
    }
    """
  }

  /// What a poll asks: one row once anything was folded.
  let question = """
    select p.n, p.hash, p.edition, count(c.id), sum(c.events), sum(c.weight), min(c.edition), max(c.edition)
    from progress p, cases c group by p.one
    """

  func writeGood() throws {
    edition += 1
    good.append(edition)
    try project.write("return { weight = function(name) return #name end }", to: "lib/words.lua")
    try save(script(edition))
  }

  /// The text is bad for a moment or for longer: until the next good one.
  func writeBad() throws { try save(script(edition) + "\nprojection \"other\" { on = }") }

  /// As an editor that writes in place and is interrupted.
  func writeHalf() throws {
    let text = Array(script(edition + 1000).utf8)
    let url = project.folder.appending(path: file)
    try Data(text[..<(text.count / 2)]).write(to: url)
  }

  /// An error of another kind: it compiles, and its schema is none.
  func writeBadSchema() throws {
    try save(script(edition).replacingOccurrences(of: "create table progress", with: "create tabel progress"))
  }

  /// The definition takes another name, and carries the old one's read model.
  func renameDefinition() throws {
    renamings += 1
    was = name
    name = "cases_\(renamings)"
    try writeGood()
  }

  /// The file takes another name; its definition is as it was.
  func renameFile() throws {
    let old = file
    file = "handlers/cases_\(edition)_\(good.count).lua"
    let from = project.folder.appending(path: old)
    if FileManager.default.fileExists(atPath: from.path) {
      try FileManager.default.moveItem(at: from, to: project.folder.appending(path: file))
    }
    try writeGood()
  }

  /// A module says the same in other words; then the edition changes too.
  func editModule() throws {
    edition += 1
    good.append(edition)
    try save(script(edition))
    try project.write(
      "return { weight = function(name) return \(edition) - \(edition) + #name end }", to: "lib/words.lua")
  }

  func writeConsumer(_ version: Int) throws {
    try project.write(
      """
      consumer "approvals" {
        from = "start",
        topics = { "events" },
        on = { ApplicationApproved = function(event, ctx)
          ctx.state.seen = (ctx.state.seen or 0) + 1
          ctx.emit { type = "LoanGranted", topic = "grants",
            data = { nth = ctx.state.seen, by = \(version) } }
        end },
      }
      """, to: "handlers/approvals.lua")
  }

  func writeBadConsumer() throws {
    try project.write("consumer \"approvals\" {", to: "handlers/approvals.lua")
  }

  /// Whether the newest name has a read model.
  var hasModel: Bool {
    FileManager.default.fileExists(
      atPath: project.folder.appending(path: "data/readmodels/\(name).sqlite").path)
  }

  var lastGood: Int { good[good.count - 1] }

  private func save(_ text: String) throws { try project.write(text, to: file) }
}
