import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Searches the first event after which each differing row differs: folds both versions once more, event by
/// event, side by side in stretches of the log, until all are found.
struct DiffTrace {
  static let label = "search first events"

  let old: DiffScripts.Side
  let new: DiffScripts.Side
  let log: any EventLog
  let decided: Int
  let scratch: ScratchFiles

  /// - Parameter diffs: counted.
  /// - Returns: for each of them, what was found; nil where there was nothing to search.
  func run(_ diffs: [TableDiff], _ observer: any DiffObserver) throws(Diagnostic) -> [RowTrail?] {
    let trails = diffs.map { diff in
      diff.traced.isEmpty
        ? nil
        : RowTrail(
          diff.traced, places: [diff.places(in: diff.old.table), diff.places(in: diff.new.table)],
          key: diff.key)
    }
    let sides = [
      Walk(
        side: .old, script: old, path: scratch.path("old-trace.sqlite"),
        trails: Self.trails(trails, diffs) { $0.old }),
      Walk(
        side: .new, script: new, path: scratch.path("new-trace.sqlite"),
        trails: Self.trails(trails, diffs) { $0.new }),
    ]
    for walk in sides { try make(walk) }
    var end = Position.start
    while end < log.durableEnd, trails.contains(where: { ($0?.open ?? 0) > 0 }) {
      end = Position(end.value + Limits.diffTraceStretch)
      let stretch = LogStretch(log, before: end)
      for walk in sides {
        try fold(walk, stretch) { done throws(Diagnostic) in
          // Both are as far as the slower one.
          let half = walk.side == .old ? stretch.durableEnd.value : done
          try observer.working(Self.label, done: min(done, half), total: log.durableEnd.value)
        }
      }
      for trail in trails { trail?.settle() }
    }
    try observer.done(Self.label)
    return trails
  }

  /// One version on its way through the log.
  private struct Walk {
    var side: RowTrail.Side
    var script: DiffScripts.Side
    var path: String
    /// By the place of their tables in the schema.
    var trails: [Int: RowTrail]
  }

  private static func trails(
    _ trails: [RowTrail?], _ diffs: [TableDiff], _ relation: (TableDiff) -> StoreReader.Relation
  ) -> [Int: RowTrail] {
    var found: [Int: RowTrail] = [:]
    for (diff, trail) in zip(diffs, trails) where trail != nil { found[relation(diff).place] = trail }
    return found
  }

  private func make(_ walk: Walk) throws(Diagnostic) {
    _ = try fold(walk, LogStretch(log, before: .start)).store(at: walk.path, decided: decided)
  }

  private func fold(_ walk: Walk, _ log: any EventLog) -> TracedFold {
    TracedFold(
      definition: walk.script.definition, catalog: walk.script.catalog, log: log,
      clock: SystemSurroundings.clock, randomness: SystemSurroundings.randomness,
      tables: Set(walk.trails.keys), findsLines: false)
  }

  private func fold(
    _ walk: Walk, _ stretch: LogStretch, _ progress: (UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let store: ProjectionStore
    do throws(StoreOpeningError) { store = try ProjectionStore.open(path: walk.path, bulk: true) } catch {
      throw error.diagnostic(walk.path)
    }
    _ = try fold(walk, stretch).run(store) { done, _ throws(Diagnostic) in
      try progress(done)
    } each: { event, watch throws(Diagnostic) in
      for index in event.changes {
        let change = watch.changes[index]
        walk.trails[change.table]?.note(
          walk.side, at: event.position, watch.cells, before: change.old, after: change.new)
      }
    }
  }
}
