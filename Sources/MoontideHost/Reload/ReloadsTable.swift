import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// `sys.reloads`: a row for each definition that a takeover changed, and for each read model that a person
/// asked for (`rebuild`, `rollback`), oldest first.
struct ReloadsTable {
  let kept: KeptScripts

  static let columns: [SystemColumn] = [
    .init("position", .integer), .init("recorded", .text), .init("handler", .text), .init("kind", .text),
    .init("change", .text), .init("version", .text), .init("previous", .text), .init("was", .text),
    .init("store", .text),
  ]

  func rows() throws(Diagnostic) -> [[SystemValue]] {
    let takeovers = try kept.takeovers()
    var rows = takeovers.flatMap { takeover in
      // What a log began with comes into it later.
      let place = takeover.since == nil ? takeover.position ?? .start : .start
      return takeover.definitions.filter { $0.change != .same }.map { (place, row($0, takeover)) }
    }
    let names = takeovers.flatMap(\.definitions).filter { $0.entry.kind == .projection }.map(\.entry.name)
    for name in Set(names) {
      let asked = try LogError.told { () throws(LogError) in try RollbackRecord.all(of: name, in: kept.log) }
      rows += asked.map { ($0.position, row($0)) }
    }
    // Rows of one takeover have one position, and stay as they are in it.
    return rows.enumerated().sorted { one, other in
      let (place, next) = (one.element.0, other.element.0)
      return place == next ? one.offset < other.offset : place < next
    }.map(\.element.1)
  }

  private func row(_ one: TakeoverRecord.Definition, _ takeover: TakeoverRecord) -> [SystemValue] {
    [
      takeover.position.map { .number($0.value) } ?? .null,
      (takeover.since ?? takeover.recorded).map { .text($0.description) } ?? .null,
      .text(one.entry.name), .text(one.entry.kind.rawValue), .text(one.change.rawValue),
      one.change == .removed ? .null : .text(one.entry.version),
      one.previous.map { .text($0) } ?? .null,
      one.change == .renamed ? one.entry.was.map { .text($0) } ?? .null : .null,
      one.store.map { .text($0) } ?? .null,
    ]
  }

  private func row(_ asked: RollbackRecord) -> [SystemValue] {
    [
      .number(asked.position.value), .text(asked.recorded.description), .text(asked.name),
      .text(HandlerKind.projection.rawValue), .text(asked.request.word), .text(asked.version),
      asked.previous.map { .text($0) } ?? .null, .null, .null,
    ]
  }
}

extension RollbackRecord.Request {
  /// As the command is called.
  fileprivate var word: String {
    switch self {
    case .rebuild: "rebuild"
    case .rollback: "rollback"
    }
  }
}
