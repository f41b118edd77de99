import ArgumentParser
import Foundation
import MoontideCore
import MoontideHost

/// Questions to `sys.events` of a log: how long one takes, from its text to its last row.
struct AskProbe {
  enum Question: String, CaseIterable, ExpressibleByArgument {
    /// One record, by its position.
    case position
    /// All events of one key.
    case key
    /// The same as `position`, where nothing has the log open yet.
    case alone
    /// Counts by type, which are kept.
    case types
    /// Counts by type that need every payload.
    case payloads

    var title: String {
      switch self {
      case .position: "moontide: at a position"
      case .key: "moontide: of a key"
      case .alone: "moontide: at a position, nothing open"
      case .types: "moontide: counts by type"
      case .payloads: "floor: the same from payloads"
      }
    }

    fileprivate var count: Int { self == .types || self == .payloads ? 5 : 100 }
  }

  let paths: ProjectPaths
  let question: Question

  func figure() throws -> Figure {
    let statements = try statements()
    guard question != .alone else { return try measure(statements, fromOutside) }
    let project = try MoontideProject.open(paths)
    let figure = try measure(statements) { try project.query($0).count }
    try project.close()
    return figure
  }

  private func statements() throws -> [String] {
    let project = try MoontideProject.open(paths)
    let end = project.log.durableEnd.value
    var random = SystemRandomNumberGenerator()
    let statements = try (0..<question.count).map { _ in
      // The first records are of the host's own topics.
      try statement(UInt64.random(in: end / 10..<end, using: &random), project)
    }
    try project.close()
    return statements
  }

  private func measure(_ statements: [String], _ ask: (String) throws -> Int) throws -> Figure {
    var taken: [Double] = []
    for sql in statements {
      let stopwatch = Stopwatch()
      let rows = try ask(sql)
      taken.append(stopwatch.figure(events: 1).wallSeconds)
      guard rows > 0 else { throw BenchFault("no row: \(sql)") }
    }
    taken.sort()
    var figure = Stopwatch().figure(events: taken.count)
    figure.latencySeconds = taken[taken.count / 2]
    figure.latencyP99Seconds = taken[taken.count - 1]
    return figure
  }

  private func statement(_ position: UInt64, _ project: MoontideProject) throws -> String {
    switch question {
    case .position, .alone: return "select type, key, data from sys.events where position = \(position)"
    case .types: return "select type, count(*) from sys.events group by type"
    case .payloads: return "select type, count(*), max(length(data)) from sys.events group by type"
    case .key:
      let found = try project.query("select key from sys.events where position = \(position)")
      guard let key = found.first?["key"] else { throw BenchFault("no key at #\(position)") }
      return "select position, type, data from sys.events where key = '\(key)'"
    }
  }

  private func fromOutside(_ sql: String) throws -> Int {
    let rows = RowCounter()
    try ProjectDoor.query(QueryRequest(sql), of: paths, to: rows)
    return rows.count
  }

  private final class RowCounter: RowSink {
    private(set) var count = 0
    func columns(_ names: [String]) throws(Diagnostic) {}
    func row(_ row: RowBuffer) throws(Diagnostic) { count += 1 }
  }
}
