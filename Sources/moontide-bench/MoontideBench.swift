import ArgumentParser
import Foundation

/// Measures the order workload end to end, each figure beside its floor and its opponent in one run.
@main
struct MoontideBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moontide-bench",
    abstract: "The order workload beside its floor and its opponent, as ratios of one run.",
    discussion: """
      Needs the workload folder (gen.py, ref.py, afternoon.c, afternoon.lua), python3, cc, and Debian's
      lua-cjson. A figure counts only when its read model is the right one.
      """,
    subcommands: [Compare.self, Poison.self, Work.self], defaultSubcommand: Compare.self)
}

/// The comparison that a person runs.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run everything and print the table.")

  @Option(help: "How many event lines.") var events = 200_000
  @Option(help: "The folder with the workload's generator, answers and opponent.")
  var workload = "../shared/workload"
  @Option(help: "Batch sizes at which processing is compared.") var batch: [Int] = [1_000, 5_000]
  @Option(help: "How often each contender runs; the median counts.") var rounds = 3
  @Option(help: "Where to work; removed afterwards unless given.") var scratch: String?
  @Option(help: "Also write the figures as JSON to this file.") var json: String?
  @Flag(help: "Leave the opponent out: for very large runs.") var skipOpponent = false
  @Flag(help: "Leave scattered keys out: at 10,000,000 events the floor alone takes half an hour of disk.")
  var skipScattered = false

  @Option(
    help: ArgumentHelp(
      """
      Only this part: ingest, process, safety, scattered, upcasting, reopen, two, latency, past, commands, \
      decisions, sagas, timers, rebuild, ask; \
      more with more of it. safety, reopen and past need process.
      """, valueName: "part"))
  var only: [String] = []

  func validate() throws {
    guard events > 0, rounds > 0, batch.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--events, --rounds and --batch are positive")
    }
  }

  func run() throws {
    let folder =
      scratch.map { URL(fileURLWithPath: $0) }
      ?? FileManager.default.temporaryDirectory.appending(path: "moontide-bench-\(getpid())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { if scratch == nil { remove(folder) } }
    let workload = try Workload(
      folder: URL(fileURLWithPath: workload), scratch: folder, events: events)
    let report = try Contest(
      workload: workload, rounds: rounds, batches: batch, withOpponent: !skipOpponent,
      withScattered: !skipScattered, only: only
    ).run()
    print(report.table)
    if let json { try report.json.write(to: URL(fileURLWithPath: json), options: .atomic) }
  }

  private func remove(_ folder: URL) {
    do { try FileManager.default.removeItem(at: folder) } catch {
      FileHandle.standardError.write(Data("note: \(folder.path) stays: \(error)\n".utf8))
    }
  }
}
