import ArgumentParser
import Foundation

/// How fast events of other keys are handled while some keys have an event that fails, against the same
/// events without one: the same lines, in the same minutes, round by round.
struct Poison: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "poison", abstract: "Other keys' rate beside poisoned keys, against a run without.",
    discussion: """
      Two handlers, a consumer with a state a key and a projection, each alone over a log that is there. \
      Timed is from the start of the run until the handler has come through the log: tries of parked keys in \
      that time are in it, the waits for the last ones are not. Events of poisoned keys do not count.
      """)

  @Option(help: "How many events.") var events = 500_000
  @Option(help: "How often each runs; the median counts.") var rounds = 5
  @Option(help: "Where to work; removed afterwards unless given.") var scratch: String?

  enum Kind: String, CaseIterable {
    case calm
    /// One event of the key that a tenth of all events have.
    case hot = "a poison event in a hot key"
    /// The first event of each of 1,000 keys out of 20,000.
    case thousand = "one in each of 1,000 keys"
  }

  func validate() throws {
    guard events >= 10_000, rounds > 0 else { throw ValidationError("--events from 10,000, --rounds from 1") }
  }

  func run() throws {
    let folder =
      scratch.map { URL(fileURLWithPath: $0) }
      ?? FileManager.default.temporaryDirectory.appending(path: "moontide-poison-\(getpid())")
    defer {
      if scratch == nil {
        do { try FileManager.default.removeItem(at: folder) } catch {
          print("note: \(folder.path) stays: \(error)")
        }
      }
    }
    var report = Report(machine: Machine.description, events: events)
    var others: [Kind: Int] = [:]
    for kind in Kind.allCases {
      others[kind] = try prepare(kind, folder.appending(path: "\(kind)"))
      try Command.run(CommandLine.arguments[0], ["work", "ingest", folder.appending(path: "\(kind)").path])
    }
    for handler in ["consumer", "projection"] {
      var figures: [Kind: [Figure]] = [:]
      for _ in 0..<rounds {
        for kind in Kind.allCases {
          let project = folder.appending(path: "\(kind)")
          for kept in ["data/handlers", "data/readmodels"] {
            let path = project.appending(path: kept)
            if FileManager.default.fileExists(atPath: path.path) {
              try FileManager.default.removeItem(at: path)
            }
          }
          let output = try Command.run(
            CommandLine.arguments[0], ["work", "pass", project.path, "--only", handler])
          figures[kind, default: []].append(try JSONDecoder().decode(Figure.self, from: Data(output.utf8)))
        }
      }
      tell(handler, figures, others, &report)
    }
    print(report.table)
  }

  private func tell(
    _ handler: String, _ figures: [Kind: [Figure]], _ others: [Kind: Int], _ report: inout Report
  ) {
    // Of the same events in both runs: those of the keys that are not poisoned in the one.
    func figure(_ kind: Kind, _ count: Int) -> Figure {
      Figure.median(
        (figures[kind] ?? []).map { figure in
          var figure = figure
          figure.events = count
          return figure
        })
    }
    for kind in [Kind.hot, .thousand] {
      let count = others[kind] ?? 0
      let (calm, poisoned) = (figure(.calm, count), figure(kind, count))
      report.add("\(handler), without", kind.rawValue, calm)
      report.add("\(handler), with", kind.rawValue, poisoned)
      report.compare(
        "\(handler), \(kind.rawValue): rate of other keys", poisoned.rate / calm.rate, atLeast: 0.9)
    }
  }

  // MARK: The project

  /// Returns how many events are of keys without a poison event.
  private func prepare(_ kind: Kind, _ project: URL) throws -> Int {
    for name in ["events", "handlers"] {
      try FileManager.default.createDirectory(
        at: project.appending(path: name), withIntermediateDirectories: true)
    }
    try Handler.poisoned.write(
      to: project.appending(path: "handlers/poison.lua"), atomically: true, encoding: .utf8)
    var numbers: UInt64 = 5
    func below(_ bound: UInt64) -> UInt64 {
      numbers = numbers &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (numbers >> 33) % bound
    }
    let filler = String(repeating: "x", count: 180)
    var text = ""
    var poisoned: Set<String> = []
    var counts: [String: Int] = [:]
    for index in 0..<events {
      let isHot = below(10) == 0
      let number = below(20_000)
      let key = isHot ? "hot" : "k\(number)"
      counts[key, default: 0] += 1
      let mayFail = kind == .hot && isHot || kind == .thousand && !isHot && number < 1_000
      let fails = mayFail && index > events / 100 && poisoned.insert(key).inserted
      text += #"{"id":"e-\#(index)","type":"OrderPlaced","key":"\#(key)","time":"2026-01-01T00:00:00Z","#
      text += #""data":{"total":\#(index % 977),"bad":\#(fails),"note":"\#(filler)"}}"# + "\n"
    }
    try text.write(to: project.appending(path: "events/a.jsonl"), atomically: true, encoding: .utf8)
    return events - poisoned.reduce(0) { $0 + (counts[$1] ?? 0) }
  }
}
