public import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// `impact`: what one record of the log caused, through everything that followed from it: rows, events,
/// commands and their outcomes, timers, effects, instances of sagas, dead letters.
///
/// What is recorded is read: causes from `meta`, outcomes, firings and results from the log, effects,
/// instances and dead letters from the handlers' files. Rows are found by folding again up to the last of the
/// events, by the scripts as they are now, in files below `.moontide` that are removed. Takes no lock and
/// changes nothing. Use it on a thread with a stack of 2 MiB or more.
public struct EventImpact {
  private let paths: ProjectPaths

  public init(_ paths: ProjectPaths) { self.paths = paths }

  /// - Parameters:
  ///   - place: a position, or a place in a partition; an instant is none.
  ///   - observer: hears how far the work is, and what a person should know of the answer.
  /// - Throws: `noSuchEvent` when the log has no such record; what is wrong with the scripts or the log.
  public func tell(_ place: LogMoment, observer: any PastObserver) throws(Diagnostic) -> ImpactTree {
    if case .instant = place {
      throw Diagnostic(
        .noSuchEvent, "an event is named by its place, not by a time",
        help: "moontide impact 48211 · moontide impact orders/1@1042")
    }
    let session = try TraceSession(paths)
    if let wrong = session.scripts.problems.first(where: { $0.severity == .error }) { throw wrong }
    let position = Position(try place.knownEnd(in: session.log).value - 1)
    let batch = RecordBatch()
    try LogError.told { () throws(LogError) in
      _ = try session.log.read(from: position, records: 1, bytes: 1, into: batch)
    }
    guard let record = batch.records.first, record.position == position else {
      throw Diagnostic(.noSuchEvent, "there is no record \(position) in the log: a repair gave it up")
    }
    let instances = try TracedInstances(
      session, correlation: RecordCause.correlation(of: record, in: batch))
    var scan = CausationScan(session.log, session.catalog, instances)
    try scan.run(from: position) { done, total throws(Diagnostic) in
      try observer.folding("causes", done: done, total: total)
    }
    try observer.folded("causes")
    instances.grow(&scan)
    var growth = scan.growth
    try StandingEffects(session: session).grow(&growth)
    try CausedRows(session: session, observer: observer).grow(&growth)
    return ImpactTree(growth.nodes, isCut: growth.isCut)
  }
}
