import Foundation
import Glibc
import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideHost

/// A project with one projection at work, whose script can be edited, and what was reported.
///
/// The projection `p` has a row for each event, with its number and the version of the script that wrote it,
/// and counts the events beside. So one statement tells whether what it read is the fold of a prefix of the
/// log through one version.
final class RebuildRig: @unchecked Sendable {
  // Unchecked: what changes after the start is behind locks.
  let folder: URL
  let project: MoontideProject
  let running: RunningGroups
  private let bell = Bell()
  private let reporter = Reporter()
  private let published = Mutex(0)
  private let setting: HandlerGroup.Setting

  static func script(_ version: Int, failing: Bool = false) -> String {
    """
    projection "p" {
      schema = [[
        create table t(i integer primary key, v integer not null);
        create table total(k text primary key, n integer not null) without rowid;
      ]],
      exhausted = "halt",
      on = { A = function(event, db)
        \(failing ? "if event.data.i > 10 then error(\"no\") end" : "")
        db.t:put { i = event.data.i, v = \(version) }
        db.total:add("all", { n = 1 })
      end } }
    """
  }

  init(_ folder: URL? = nil, script: String = RebuildRig.script(1)) throws {
    let made =
      folder ?? FileManager.default.temporaryDirectory.appending(path: "rebuild-\(UUID().uuidString)")
    self.folder = made
    for name in ["events", "handlers"] {
      try FileManager.default.createDirectory(
        at: made.appending(path: name), withIntermediateDirectories: true)
    }
    try script.write(to: made.appending(path: "handlers/p.lua"), atomically: true, encoding: .utf8)
    let project = try MoontideProject.open(ProjectPaths(root: made.path))
    self.project = project
    let reported = reporter
    let surroundings = HandlerSurroundings(
      clock: project.clock, randomness: project.randomness, report: { reported.put($0) },
      print: { _, _, _ in })
    setting = HandlerGroup.Setting(
      project: project, catalog: project.catalog, surroundings: surroundings, bell: bell, progressed: Bell(),
      performer: EffectThread(project.paths, project.settings.defaults.effects, failed: { _ in }),
      circuits: CircuitBoard(), patience: .seconds(1))
    running = RunningGroups(setting)
  }

  /// What handlers report, on their threads.
  final class Reporter: Sendable {
    private let all = Mutex<[Diagnostic]>([])
    func put(_ diagnostic: Diagnostic) { all.withLock { $0.append(diagnostic) } }
    var titles: [String] { all.withLock { $0.map(\.title) } }
  }

  var titles: [String] { reporter.titles }
  var group: HandlerGroup { running.all[0] }
  var turns: RebuildTurns { setting.rebuilds }

  func start() throws { try running.start(try #require(project.catalog.definition("p"))) }

  /// Edits the script, and has what it defines rebuilt beside.
  @discardableResult func edit(_ script: String) throws -> HandlerDefinition {
    try script.write(to: folder.appending(path: "handlers/p.lua"), atomically: true, encoding: .utf8)
    let loaded = try LoadedScripts.load(project.paths, files: project.files)
    let definition = try #require(loaded.catalog.definition("p"))
    let isRun = try running.rebuild(
      definition, setting.with(loaded.catalog))
    #expect(isRun)
    return definition
  }

  /// Appends events with the next numbers.
  func publish(_ count: Int) throws {
    try published.withLock { published in
      let end = published + count
      while published < end {
        let next = min(end, published + 10_000)
        var text = ""
        for number in published + 1...next {
          text += #"{"id":"e-\#(number)","type":"A","data":{"i":\#(number)}}"# + "\n"
        }
        _ = try RunningAccess(project, running: running, bell: bell).append(
          PublishRequest(topic: .events, lines: Array(text.utf8)))
        published = next
      }
    }
  }

  /// Until something holds; fails after half a minute.
  func wait(_ what: String, until holds: () throws -> Bool) throws {
    let end = ContinuousClock.now + .seconds(30)
    while ContinuousClock.now < end {
      if try holds() { return }
      usleep(2_000)
    }
    Issue.record("half a minute without \(what): \(titles)")
    throw CancellationError()
  }

  func waitForEnd() throws {
    try wait("the end of the log") { group.isDone(at: project.log.durableEnd) }
  }

  /// What a reader finds.
  struct Seen: Equatable, CustomStringConvertible {
    var count = 0
    var version = 0
    var description: String { "\(count) events by version \(version)" }
  }

  static let question = """
    select (select n from total), count(*), ifnull(min(v), 0), ifnull(max(v), 0), ifnull(sum(i), 0) from t
    """

  /// Reads by the way of `query` beside a run; throws what no reader may ever see.
  func read() throws -> Seen {
    let sink = NumberSink()
    try ProjectDoor.query(QueryRequest(Self.question), of: project.paths, to: sink)
    let row = sink.numbers
    guard row.count == 5, row[1] > 0 else { throw Torn(text: "no rows: \(row)") }
    guard row[0] == row[1], row[2] == row[3], row[4] == row[1] * (row[1] + 1) / 2 else {
      throw Torn(text: "a mixture: \(row)")
    }
    return Seen(count: row[1], version: row[2])
  }

  struct Torn: Error { var text: String }

  final class NumberSink: RowSink {
    var numbers: [Int] = []
    func columns(_ names: [String]) throws(Diagnostic) {}
    func row(_ row: RowBuffer) throws(Diagnostic) { numbers += row.cells.map { Int($0.bits) } }
  }

  func stop() throws {
    running.stop(settled: false)
    try project.close()
  }

  /// Stops it and removes the project.
  func end() {
    do {
      try stop()
      try FileManager.default.removeItem(at: folder)
    } catch { Issue.record("\(error)") }
  }
}
