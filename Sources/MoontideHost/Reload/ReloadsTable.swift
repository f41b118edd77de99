import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// `sys.reloads`: a row for each definition that a takeover changed, oldest first.
struct ReloadsTable {
  let kept: KeptScripts

  static let columns: [SystemColumn] = [
    .init("position", .integer), .init("recorded", .text), .init("handler", .text), .init("kind", .text),
    .init("change", .text), .init("version", .text), .init("previous", .text), .init("was", .text),
  ]

  func rows() throws(Diagnostic) -> [[SystemValue]] {
    try kept.takeovers().flatMap { takeover in
      takeover.definitions.filter { $0.change != .same }.map { one in
        [
          takeover.position.map { .number($0.value) } ?? .null,
          (takeover.since ?? takeover.recorded).map { .text($0.description) } ?? .null,
          .text(one.entry.name), .text(one.entry.kind.rawValue), .text(one.change.rawValue),
          one.change == .removed ? .null : .text(one.entry.version),
          one.previous.map { .text($0) } ?? .null,
          one.change == .renamed ? one.entry.was.map { .text($0) } ?? .null : .null,
        ]
      }
    }
  }
}
