import MoontideCore
import MoontideJSON
import MoontideLua

/// What a record of the log says to one instance.
struct SagaItem {
  var key: [UInt8]
  var input: SagaInput
  /// As scripts see it.
  var record: Record
  /// The index of the function of `on` that it concerns.
  var reaction: Int?
  /// Whether it begins an instance where there is none.
  var begins = false
}

/// Finds out which instances an event concerns, by one version of the script: today's, or an older one for
/// the instances that end by it.
struct SagaRouter {
  private struct Route {
    var correlation: Int?
    var reaction: Int?
    var begins: Bool
  }

  let code: SagaCode
  private let lane: SagaLane
  private var routes: [String: Route] = [:]

  init(_ lane: SagaLane, _ code: SagaCode) {
    self.lane = lane
    self.code = code
  }

  private var isOld: Bool { code !== lane.code }

  /// What an event says, to one instance for each event that upcasters made of it; and how many of those
  /// belong to none. Nil when it does not concern the saga.
  mutating func items(
    _ record: Record, in batch: RecordBatch, _ instances: SagaInstances
  ) throws(SagaFailure) -> (items: [SagaItem], unknown: Int)? {
    let stored = code.subscriptions.route(batch.bytes, record.envelope.type)
    guard code.subscriptions.concerns(stored, version: record.envelope.version) else { return nil }
    let topic = lane.selection.topics[Int(record.topic.value)]
    let seen: [EventReading.Seen]
    do throws(LuaFault) {
      seen = try code.program.reading.see(record, in: batch, topic: topic.nameBytes, seed: topic.seed)
    } catch { throw .script(error) }
    var items: [SagaItem] = []
    var unknown = 0
    for event in seen {
      let type = batch.bytes.text(event.record.envelope.type)
      let route = route(of: type)
      guard let key = try key(event.record, route, in: batch, topic, instances) else {
        if !isOld { unknown += 1 }
        continue
      }
      guard try isOurs(key, instances) else { continue }
      items.append(
        SagaItem(
          key: key, input: .event(type: type), record: event.record, reaction: route.reaction,
          begins: route.begins))
    }
    return (items, unknown)
  }

  /// Whether the instance, should there be one, stands by this version.
  private func isOurs(_ key: [UInt8], _ instances: SagaInstances) throws(SagaFailure) -> Bool {
    if lane.old.isEmpty { return true }
    do throws(SagaStoreFault) {
      let version = try instances.version(of: key)
      return isOld ? version == code.version : version.map { lane.old[$0] == nil } ?? true
    } catch { throw .stop(lane.stop(error)) }
  }

  private mutating func route(of type: String) -> Route {
    if let known = routes[type] { return known }
    let saga = code.saga
    let route = Route(
      correlation: SubscriptionTable.subscription(for: type, among: saga.correlations.map(\.pattern)),
      reaction: SubscriptionTable.subscription(for: type, among: saga.reactions),
      begins: saga.startsOn.contains(type))
    if routes.count < Limits.typesRememberedMax { routes[type] = route }
    return route
  }

  private func key(
    _ event: Record, _ route: Route, in batch: RecordBatch, _ topic: LaneSelection.Topic,
    _ instances: SagaInstances
  ) throws(SagaFailure) -> [UInt8]? {
    var key: [UInt8]?
    if let index = route.correlation {
      if let field = code.saga.correlations[index].field {
        key = Self.field(field, batch.bytes, event.envelope.data)
      } else if let function = code.program.correlate[index] {
        do throws(LuaFault) {
          key = try code.program.state.correlate(
            function, LuaOccasion(event, in: batch, topic: topic.nameBytes, seed: topic.seed))
        } catch { throw .script(error) }
      }
    }
    if key == nil, !route.begins {
      key = try caused(event, in: batch, instances)
    } else if key == nil {
      // Not by causation: what caused it may have begun others too, and it is to begin one of its own.
      guard code.saga.correlations.isEmpty else {
        throw .script(
          LuaFault(
            kind: .runtime, message: "correlate gives nothing for the event that begins an instance",
            path: code.saga.handler.path, line: code.saga.handler.place.line))
      }
      key = Array(batch.bytes[event.envelope.key.indices])
    }
    if let key { try check(key) }
    return key
  }

  /// The instance whose command caused the event, or else the only one of its chain.
  private func caused(
    _ event: Record, in batch: RecordBatch, _ instances: SagaInstances
  ) throws(SagaFailure) -> [UInt8]? {
    let meta = event.envelope.meta
    do throws(SagaStoreFault) {
      if let cause = Self.field("causationid", batch.bytes, meta),
        let key = try instances.key(ofCommand: cause)
      {
        return key
      }
      guard let trace = Self.field("correlationid", batch.bytes, meta) else { return nil }
      return try instances.key(traced: trace)
    } catch { throw .stop(lane.stop(error)) }
  }

  private func check(_ key: [UInt8]) throws(SagaFailure) {
    guard (1...Limits.identityBytesMax).contains(key.count), key.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }),
      String(validating: key, as: UTF8.self) != nil
    else {
      throw .script(
        LuaFault(
          kind: .runtime,
          message: "a correlation value has 1 to \(Limits.identityBytesMax) bytes of UTF-8 and no control "
            + "characters", path: code.saga.handler.path, line: code.saga.handler.place.line))
    }
  }

  /// A text or a whole number of an object.
  static func field(_ name: String, _ bytes: [UInt8], _ object: ByteRange) -> [UInt8]? {
    guard let written = JSONFields.value(name, bytes, object) else { return nil }
    if let plain = JSONFields.plainText(bytes, written) { return plain.isEmpty ? nil : plain }
    // Most numbers are short ones, and written as they are read.
    if written.count < 18, bytes[written.indices].allSatisfy({ (0x30...0x39).contains($0) }) {
      return Array(bytes[written.indices])
    }
    do throws(EnvelopeFault) {
      switch try JSONValue(parsing: Array(bytes[written.indices])) {
      case .string(let text): return text.isEmpty ? nil : Array(text.utf8)
      case .integer(let number): return Array(String(number).utf8)
      default: return nil
      }
    } catch { return nil }
  }
}

extension SagaLane {
  func stop(_ fault: SagaStoreFault) -> WorkerStop {
    switch fault {
    case .store(let error): stop(error)
    case .misfit(let row): .halt(misfit(row))
    }
  }
}
