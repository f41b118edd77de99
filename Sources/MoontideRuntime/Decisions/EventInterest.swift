public import MoontideCore

/// A version of a type that a handler wants to see instead of the newest.
public struct WantedVersion: Sendable, Hashable {
  public var type: String
  public var version: UInt32
  /// Where it is written.
  public var place: SourcePlace

  public init(type: String, version: UInt32, place: SourcePlace) {
    self.type = type
    self.version = version
    self.place = place
  }
}

/// Which stored events concern a handler, told by type and version alone. Handlers subscribe to what
/// upcasters make: a stored event of another type concerns them too when upcasters may make one of theirs
/// of it. Where only the upcaster itself can tell, the event counts as concerning all whom it may reach.
public struct EventInterest: Sendable, Hashable {
  /// Types, prefixes with `*` at their end, or `*`.
  public var subscriptions: [String]
  /// Versions that are wanted instead of the newest.
  public var wants: [String: UInt32]
  /// The types of which upcasters can make others.
  private(set) var reshaped: [String: ReshapedType]

  /// From `first` on, by version: whether what becomes of it may concern the handler. Later versions stay
  /// what they are.
  struct ReshapedType: Sendable, Hashable {
    var first: UInt32
    var concerns: [Bool]

    subscript(version: UInt32) -> Bool? {
      version >= first && Int(version - first) < concerns.count ? concerns[Int(version - first)] : nil
    }
  }

  public init(
    subscriptions: [String], wants: [String: UInt32] = [:], upcasters: [String: UpcasterDefinition] = [:]
  ) {
    self.subscriptions = subscriptions
    self.wants = wants
    reshaped = [:]
    let flow = UpcastFlow(upcasters: upcasters, wants: wants)
    var found: [String: ReshapedType] = [:]
    for type in upcasters.keys {
      guard let versions = flow.reshapedVersions(of: type) else { continue }
      let covers = { (other: String) in
        subscriptions.contains { SubscriptionTable.covers(pattern: $0, type: other) }
      }
      found[type] = ReshapedType(
        first: versions.lowerBound,
        concerns: versions.map { flow.reaches(type, version: $0, where: covers) })
    }
    reshaped = found
  }

  /// Whether handlers of events of that type, as upcasters made them, are there.
  public func matches(type: String) -> Bool {
    subscriptions.contains { SubscriptionTable.covers(pattern: $0, type: type) }
  }

  /// Whether a stored event concerns the handler.
  public func concerns(type: String, version: UInt32) -> Bool {
    reshaped[type]?[version] ?? matches(type: type)
  }

  /// Whether it depends on the upcaster of that type.
  func needsUpcaster(of type: String) -> Bool {
    matches(type: type) || reshaped[type]?.concerns.contains(true) == true
  }
}

/// Tells for record after record whether it concerns a handler. Types are remembered, so that the next
/// event of the type costs one look-up.
public struct InterestFilter {
  private var table: SubscriptionTable

  public init(_ interest: EventInterest) { table = SubscriptionTable(interest) }

  /// - Parameter record: an event.
  public mutating func concerns(_ record: Record, in batch: RecordBatch) -> Bool {
    let route = table.route(batch.bytes, record.envelope.type)
    return table.concerns(route, version: record.envelope.version)
  }
}
