public import MoontideCore
public import MoontideLua

/// The one door through which stored events become what scripts see: upcasters bring each to the newest
/// version, or the one that is wanted, and may rename it, split it, or drop it. The stored bytes never
/// change. Handlers, deciders and whatever shows an event to people read through it. Belongs to one state
/// and its thread.
///
/// A part of a split event has the id `ID~1`, `ID~2` and so on, and what it does not say itself (key, time,
/// meta) from the event; all of them have the event's position, offset and topic.
public final class EventReading {
  /// An event as scripts see it.
  public struct Seen {
    /// Its parts are of the batch that it was read from.
    public var record: Record
    /// The index of the subscription that covers it.
    public var subscription: Int
  }

  /// What became of a stored event.
  enum Outcome {
    /// It is one event still, of its type.
    case itself(Record)
    /// What it is now is in `events`, which may be empty.
    case others
  }

  private let state: LuaState
  private let chains: UpcasterChains
  private var table: SubscriptionTable
  /// Of the last event that `read` made others of.
  private(set) var events: [Seen] = []
  /// What can be told in a fault.
  private var topic: [UInt8] = []
  private var seed = Digest.zero

  /// Loads the upcasters that `interest` needs.
  /// - Parameter loaded: the definitions of the files that `state` has loaded already; others are added.
  init(
    _ interest: EventInterest, catalog: ProjectCatalog, state: LuaState,
    loaded: inout [String: [LuaDefinition]]
  ) throws(LuaFault) {
    self.state = state
    var chains = UpcasterChains()
    for upcaster in catalog.upcasters.values.sorted(by: { $0.type < $1.type })
    where interest.needsUpcaster(of: upcaster.type) {
      let definitions = try catalog.scripts.definitions(upcaster.path, in: state, loaded: &loaded)
      let body = definitions.first { $0.kind == "upcaster" && $0.name == upcaster.type }?.body
      let steps = upcaster.versions.compactMap { Self.function($0, of: body) }
      var downs: [UInt32: LuaFunction] = [:]
      if case .table(let table)? = body?["down"] {
        for version in upcaster.downs { downs[version] = Self.function(version, of: table) }
      }
      guard steps.count == upcaster.versions.count, downs.count == upcaster.downs.count else {
        throw LuaFault(
          kind: .runtime,
          message: "the upcaster of \(upcaster.type) has other steps than when it was checked",
          path: upcaster.path, line: upcaster.place.line)
      }
      chains.add(upcaster, functions: steps, downs: downs, wanted: interest.wants[upcaster.type])
    }
    self.chains = chains
    table = SubscriptionTable(interest, chains: chains.byType)
  }

  private static func function(_ version: UInt32, of body: LuaTable?) -> LuaFunction? {
    for entry in body?.entries ?? [] where entry.key == .integer(Int64(version)) {
      if case .function(let function) = entry.value { return function }
    }
    return nil
  }

  /// Where events of a type go, and whether they concern whoever reads.
  var subscriptions: SubscriptionTable { table }

  /// What scripts see of a stored event that concerns them; nothing when upcasters leave nothing for them.
  /// - Parameters:
  ///   - batch: has the event's parts; those of what becomes of it are appended to its bytes.
  ///   - topic: the event's, as scripts read it.
  ///   - seed: what the upcasters' random numbers follow from.
  /// - Throws: why an upcaster failed, or that none leads to the version that is wanted.
  public func see(
    _ record: Record, in batch: RecordBatch, topic: [UInt8], seed: Digest
  ) throws(LuaFault) -> [Seen] {
    let route = table.route(batch.bytes, record.envelope.type)
    guard table.concerns(route, version: record.envelope.version) else { return [] }
    guard route.chain >= 0 else { return [Seen(record: record, subscription: route.subscription)] }
    switch try read(record, chain: route.chain, in: batch, topic: topic, seed: seed) {
    case .itself(let record):
      return route.subscription < 0 ? [] : [Seen(record: record, subscription: route.subscription)]
    case .others: return events
    }
  }

  /// Brings a stored event whose type has a chain to what scripts see of it. New bytes are appended to
  /// `batch.bytes`.
  func read(
    _ record: Record, chain: Int, in batch: RecordBatch, topic: [UInt8], seed: Digest
  ) throws(LuaFault) -> Outcome {
    switch chains.way(chain, from: record.envelope.version) {
    case .none: return .itself(record)
    case .missing(let wanted): throw missing(wanted, record, chain: chain, in: batch)
    case .steps(let steps, let version):
      let outcome = try state.upcast(steps, record: record, in: batch, topic: topic, seed: seed)
      if case .data(let data) = outcome {
        var record = record
        record.envelope.data = data
        record.envelope.version = version
        return .itself(record)
      }
      self.topic = topic
      self.seed = seed
      events.removeAll(keepingCapacity: true)
      try take(outcome, of: record, chain: chain, in: batch, depth: 1)
      return .others
    }
  }

  /// Goes on with what an upcaster made instead of data.
  private func take(
    _ outcome: UpcastOutcome, of record: Record, chain: Int, in batch: RecordBatch, depth: Int
  ) throws(LuaFault) {
    let definition = chains.definition(chain)
    let maker = ReshapedEvents(cause: record, definition: definition, batch: batch)
    let made: [Record]
    switch outcome {
    case .data, .dropped: made = try maker.none()
    case .renamed(let cells): made = [try maker.renamed(cells)]
    case .split(let cells): made = try maker.parts(cells)
    }
    guard depth <= Limits.reshapesPerEventMax, events.count + made.count <= Limits.reshapedPartsMax else {
      throw LuaFault(
        kind: .runtime,
        message: "upcasters make ever more of \(batch.bytes.text(record.envelope.type)): at most "
          + "\(Limits.reshapesPerEventMax) times one behind the other, and \(Limits.reshapedPartsMax) events",
        path: definition.path, line: definition.place.line)
    }
    for event in made { try follow(event, in: batch, depth: depth) }
  }

  /// Brings an event that an upcaster made to what scripts see of it.
  private func follow(_ record: Record, in batch: RecordBatch, depth: Int) throws(LuaFault) {
    let route = table.route(batch.bytes, record.envelope.type)
    guard table.concerns(route, version: record.envelope.version) else { return }
    var seen = record
    if route.chain >= 0 {
      switch chains.way(route.chain, from: record.envelope.version) {
      case .none: break
      case .missing(let wanted): throw missing(wanted, record, chain: route.chain, in: batch)
      case .steps(let steps, let version):
        let outcome = try state.upcast(steps, record: record, in: batch, topic: topic, seed: seed)
        guard case .data(let data) = outcome else {
          return try take(outcome, of: record, chain: route.chain, in: batch, depth: depth + 1)
        }
        seen.envelope.data = data
        seen.envelope.version = version
      }
    }
    if route.subscription >= 0 { events.append(Seen(record: seen, subscription: route.subscription)) }
  }

  private func missing(_ wanted: UInt32, _ record: Record, chain: Int, in batch: RecordBatch) -> LuaFault {
    let definition = chains.definition(chain)
    return LuaFault(
      kind: .runtime,
      message: "nothing leads from version \(record.envelope.version) of \(definition.type) to version "
        + "\(wanted), which `wants` asks for",
      path: definition.path, line: definition.place.line)
  }
}
