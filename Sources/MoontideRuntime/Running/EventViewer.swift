public import MoontideCore
import MoontideLua

/// Shows single events as scripts see them, in a state of its own: for people, and for looking at fields. It
/// runs upcasters only. Belongs to one thread.
public final class EventViewer {
  private let interest: EventInterest
  private let catalog: ProjectCatalog
  private let name: String
  private var state: LuaState
  private var reading: EventReading

  /// - Parameters:
  ///   - interest: whose; events that do not concern it are not seen.
  ///   - name: the identity name of whose it is, which `math.random` depends on.
  /// - Throws: a script that does not load.
  public init(
    _ interest: EventInterest, name: String = "", catalog: ProjectCatalog
  ) throws(Diagnostic) {
    self.interest = interest
    self.catalog = catalog
    self.name = name
    (state, reading) = try Self.load(interest, catalog)
  }

  /// As every event is seen by somebody who wants no older version.
  public convenience init(catalog: ProjectCatalog) throws(Diagnostic) {
    try self.init(EventInterest(subscriptions: ["*"], upcasters: catalog.upcasters), catalog: catalog)
  }

  private static func load(
    _ interest: EventInterest, _ catalog: ProjectCatalog
  ) throws(Diagnostic) -> (LuaState, EventReading) {
    do throws(LuaFault) {
      let state = try LuaState(budget: catalog.defaults.budget, modules: catalog.scripts.modules)
      var loaded: [String: [LuaDefinition]] = [:]
      return (state, try EventReading(interest, catalog: catalog, state: state, loaded: &loaded))
    } catch {
      throw FaultReport.loading(error, path: error.path ?? "", scripts: catalog.scripts)
    }
  }

  /// What is seen of a stored event; their parts are of `batch`.
  /// - Throws: why an upcaster failed, with its place.
  public func see(_ record: Record, in batch: RecordBatch, topic: TopicName) throws(Diagnostic) -> [Record] {
    if state.isSpent { (state, reading) = try Self.load(interest, catalog) }
    let seed = Digest.zero.adding(name).adding(topic.text)
    do throws(LuaFault) {
      return try reading.see(record, in: batch, topic: Array(topic.text.utf8), seed: seed).map(\.record)
    } catch {
      let place = error.path.map {
        catalog.scripts.place(path: $0, line: error.line ?? 1, blaming: error.blamed)
      }
      throw Diagnostic(
        .warning, code: RuntimeCode.text(of: error.kind),
        "upcasters failed on \(batch.bytes.text(record.envelope.type)) \(record.position): \(error.message)",
        at: place)
    }
  }
}
