public import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// `why`: names the events that wrote one row of a read model, in order, with what each did to it and by
/// which line of the script. Folds the log again up to where the read model is, by the script as it is now,
/// in a file below `.moontide` that is removed. Takes no lock and changes nothing: works beside a run and
/// without one. Use it on a thread with a stack of 2 MiB or more.
public struct RowHistory {
  /// Which row.
  public struct Request: Sendable {
    /// `orders`, or `order_status.orders`.
    public var table: String
    /// The values of its key, one each, or one JSON list.
    public var key: [String]
    /// As it was; nil: as the read model is now.
    public var moment: PastMoment?
    /// The data of events is wanted too.
    public var withData: Bool

    public init(table: String, key: [String], moment: PastMoment? = nil, withData: Bool = false) {
      self.table = table
      self.key = key
      self.moment = moment
      self.withData = withData
    }
  }

  private let paths: ProjectPaths

  public init(_ paths: ProjectPaths) { self.paths = paths }

  /// - Parameter observer: hears how far the fold is, and what a person should know of the answer.
  /// - Throws: `noSuchTable`, `rowKey`, `noReadModel`; what is wrong with the scripts or the log.
  public func tell(_ request: Request, observer: any PastObserver) throws(Diagnostic) -> RowStory {
    let session = try TraceSession(paths)
    if let wrong = session.scripts.problems.first(where: { $0.severity == .error }) { throw wrong }
    let row = try RowKey(table: request.table, key: request.key, among: session.catalog.definitions)
    var view = try session.view(request.moment)
    let standing = try session.standing(of: row.definition)
    let decided: Int
    if let moment = request.moment {
      try observer.resolved(view.description(moment, now: session.clock.now))
      decided = try session.decisions(about: row.definition, before: view.end)
    } else {
      guard let standing else {
        throw Diagnostic(.noReadModel, "projection \(row.definition.name) has no read model yet")
      }
      view.end = standing.end
      decided = standing.decided
    }
    if let standing, standing.scriptVersion != row.definition.scriptVersion {
      try observer.note(
        "\(row.definition.path) was edited since the read model was folded (\(standing.scriptVersion), now "
          + "\(row.definition.scriptVersion)): this is what the script does as it is now")
    }
    if request.moment == nil, let since = standing?.degradedSince, let count = standing?.setAside {
      try observer.note(
        "\(row.definition.name) is degraded since \(since): \(Counted.text(count, "event")) set aside wrote "
          + "nothing (moontide dead ls)")
    }
    return try story(of: row, request, session, view, decided, observer)
  }

  private func story(
    of row: RowKey, _ request: Request, _ session: TraceSession, _ view: PastView, _ decided: Int,
    _ observer: any PastObserver
  ) throws(Diagnostic) -> RowStory {
    var collected = WriteCollection(row, withData: request.withData)
    while true {
      let pass = collected
      let end = try session.fold(
        row.definition, over: view, decided: decided, observer: observer,
        { fold in
          fold.tables = [row.table]
          fold.tracksReads = true
          fold.keeps = { change, watch in pass.isWanted(change, watch) }
        },
        each: { event, watch throws(Diagnostic) in pass.take(event, watch) })
      // A row that had another key before was written under that one too.
      guard let again = pass.followingKeys() else {
        var story = RowStory(pass, end: end.position, isHalted: end.isHalted)
        if pass.hasReadOthers {
          story.needed = try needed(for: story, row, session, view, decided, observer)
        }
        return story
      }
      collected = again
    }
  }

  /// The other events without which those that wrote the row would not have written it so.
  private func needed(
    for story: RowStory, _ row: RowKey, _ session: TraceSession, _ view: PastView, _ decided: Int,
    _ observer: any PastObserver
  ) throws(Diagnostic) -> [EventName] {
    let closure = ReadClosure()
    _ = try session.fold(
      row.definition, over: view, decided: decided, observer: observer,
      { fold in
        fold.tracksReads = true
        fold.findsLines = false
      }, each: { event, watch throws(Diagnostic) in closure.take(event, watch) })
    let wrote = Set(story.writes.map(\.position))
    let first = story.left > 0 ? story.writes.first?.position ?? .start : .start
    let topics = session.log.topics().sorted { $0.id < $1.id }.map(\.name)
    let batch = RecordBatch()
    var names: [EventName] = []
    for position in closure.events(for: row.read) where !wrote.contains(position) && position >= first {
      try LogError.told { () throws(LogError) in
        _ = try session.log.read(from: position, records: 1, bytes: 1, into: batch)
      }
      guard let record = batch.records.first, record.position == position else { continue }
      names.append(EventName(record, in: batch, topic: topics[Int(record.topic.value)]))
      if names.count == Limits.whyWritesMax { break }
    }
    return names
  }
}
