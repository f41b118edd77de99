import BorrowedFixtures
import Foundation
import Testing

/// Scripts edited, and the process killed, while `run --watch` takes the real loan events and readers poll.
/// `MOONTIDE_EDITS` and `MOONTIDE_LIVE_KILLS` set how often, `MOONTIDE_LIVE_LINES` over how many events,
/// `MOONTIDE_SEED` which moments.
@Suite(.serialized, .needsBorrowedFixtures) struct LiveEditTests {
  private static func number(_ name: String, _ otherwise: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? otherwise
  }

  private enum Act { case edit, kill }

  @Test func `every poll is a fold of a prefix through one good version, through edits and kills`() throws {
    let seed = UInt64(Self.number("MOONTIDE_SEED", Int(UInt32.random(in: 1...999_999))))
    print("LiveEditTests: MOONTIDE_SEED=\(seed)")
    var random = SeededGenerator(seed: seed)
    let count = Self.number("MOONTIDE_LIVE_LINES", 40_000)
    let all = try Gzip.text(try BorrowedFixtures.events("loans")).split(separator: "\n")
    let lines = Array(all.prefix(count))
    let judge = try PrefixJudge(lines)
    let acts =
      (Array(repeating: Act.edit, count: Self.number("MOONTIDE_EDITS", 12))
      + Array(repeating: Act.kill, count: Self.number("MOONTIDE_LIVE_KILLS", 4))).shuffled(using: &random)

    let edited = try EditedProject()
    let feed = try LineFeed(edited.project.folder.appending(path: "events/loans.jsonl"), lines)
    try feed.give(lines.count / 20)
    var run = try LiveRun(["run", edited.project.path, "--watch"])
    try LiveRun.wait("the first rows") {
      edited.hasModel && (try? edited.project.query(edited.question))?.count == 1
    }
    let polls = LivePolls(edited.project.folder, edited.question)
    for (index, act) in acts.enumerated() {
      switch act {
      case .edit: try edit(edited, run, &random)
      case .kill:
        run.signal(SIGKILL)
        _ = run.status()
        run = try LiveRun(["run", edited.project.path, "--watch"])
      }
      usleep(UInt32.random(in: 0..<900_000, using: &random))
      try feed.give(lines.count * (index + 2) / (acts.count + 1))
    }
    try edited.writeConsumer(99)
    try edited.writeGood()
    try feed.give(lines.count)
    try wait(for: lines.count, edited, polls, run)
    let found = try polls.end()
    let status = run.interrupt()
    let errors = try run.errors()
    #expect(status == 0, "\(errors)")
    try check(found, polls.faults, edited, judge, seed)
    try checkConsumer(edited, lines)
  }

  private func edit(
    _ edited: EditedProject, _ run: LiveRun, _ random: inout SeededGenerator
  ) throws {
    switch Int.random(in: 0..<11, using: &random) {
    case 0, 1, 2: try edited.writeGood()
    case 3: try edited.writeBad()
    case 4: try edited.writeHalf()
    case 5: try edited.writeBadSchema()
    case 6: try edited.renameFile()
    case 7: try edited.editModule()
    case 8: try edited.writeConsumer(Int.random(in: 2..<90, using: &random))
    case 9: try edited.writeBadConsumer()
    default:
      // An author who renames waits for it: `was` tells of one name before.
      try edited.writeConsumer(90)
      try edited.renameDefinition()
      try LiveRun.wait("the read model of \(edited.name): \(try run.errors())") { edited.hasModel }
    }
  }

  private func wait(for lines: Int, _ edited: EditedProject, _ polls: LivePolls, _ run: LiveRun) throws {
    do {
      try LiveRun.wait("the whole log in edition \(edited.lastGood)") {
        let last = polls.last
        return last.count == 8 && last[0] == lines && last[2] == edited.lastGood
      }
    } catch {
      throw Fault("\(error); last \(polls.last), \(polls.faults.last ?? "no fault"): \(try run.errors())")
    }
  }

  private func check(
    _ polls: [LivePolls.Poll], _ faults: [String], _ edited: EditedProject, _ judge: PrefixJudge,
    _ seed: UInt64
  ) throws {
    #expect(faults.isEmpty, "seed \(seed): \(faults.count) polls failed, as \(Set(faults).prefix(5))")
    let editions = Dictionary(grouping: polls) { $0.values[2] }
    #expect(Set(editions.keys).isSubset(of: edited.good), "seed \(seed): \(editions.keys) of \(edited.good)")
    for (edition, polls) in editions {
      let wrong = judge.wrong(polls, edition: edition)
      #expect(wrong.isEmpty, "seed \(seed), edition \(edition): \(wrong.count) polls, as \(wrong.prefix(3))")
    }
    for (one, next) in zip(polls, polls.dropFirst()) {
      #expect(
        one.values[0] <= next.values[0], "seed \(seed): time goes back, \(one.values) to \(next.values)")
      // The order of good versions is the order in which they were written.
      #expect(one.values[2] <= next.values[2], "seed \(seed): back from edition \(one.values[2])")
    }
    let times = polls.map(\.took).sorted()
    print(
      "LiveEditTests: \(polls.count) polls over \(editions.count) of \(edited.good.count) editions, median "
        + "\(times[times.count / 2]), longest \(times[times.count - 1])")
  }

  private func checkConsumer(_ edited: EditedProject, _ lines: [Substring]) throws {
    let approved = lines.count { $0.contains("\"type\":\"ApplicationApproved\"") }
    try edited.project.runOnce()
    let granted = try edited.project.query(
      "select count(*), count(distinct key) from sys.events where type = 'LoanGranted'")
    #expect(granted.first?.map(\.description) == ["\(approved)", "\(approved)"])
  }
}

/// Lines appended to a file bit by bit.
private final class LineFeed {
  private let lines: [Substring]
  private let file: FileHandle
  private var given = 0

  init(_ url: URL, _ lines: [Substring]) throws {
    self.lines = lines
    guard FileManager.default.createFile(atPath: url.path, contents: nil) else {
      throw Fault("cannot write \(url.path)")
    }
    file = try FileHandle(forWritingTo: url)
  }

  /// So many in all.
  func give(_ count: Int) throws {
    guard count > given else { return }
    try file.write(contentsOf: Data((lines[given..<count].joined(separator: "\n") + "\n").utf8))
    given = count
  }
}
