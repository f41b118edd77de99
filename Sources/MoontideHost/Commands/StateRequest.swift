import MoontideCore

/// Asks for the state of one stream, now or then.
public struct StateRequest: Sendable, Hashable {
  public var decider: String
  public var key: String
  public var past: PastMoment
  /// The state after so many of the stream's events; nil: after all that count.
  public var version: Int?
  /// A row for each event instead of one for the last.
  public var history: Bool

  public init(
    decider: String, key: String, past: PastMoment = PastMoment(), version: Int? = nil, history: Bool = false
  ) {
    self.decider = decider
    self.key = key
    self.past = past
    self.version = version
    self.history = history
  }

  var keyBytes: [UInt8] { Array(key.utf8) }

  /// The columns of an answer: how many events, the last of them (position, its time as written, its type),
  /// the state as JSON. A stream without events has version 0 and the state that its first command would
  /// meet.
  public static let columns = ["version", "position", "time", "type", "state"]
}

extension WireFrame {
  init(_ request: StateRequest) {
    self.init(.state)
    put(request.decider)
    put(request.key)
    put(Int64(request.version ?? -1))
    put(request.history ? 1 : 0)
    put(request.past.asOf)
    put(request.past.asKnown)
  }

  mutating func stateRequest() -> StateRequest? {
    guard let decider = text(), let key = text(), let version = number(), let history = number() else {
      return nil
    }
    guard let asOf = moment(), let asKnown = moment() else { return nil }
    return StateRequest(
      decider: decider, key: key, past: PastMoment(asOf: asOf.moment, asKnown: asKnown.moment),
      version: version < 0 ? nil : Int(version), history: history == 1)
  }

  private mutating func put(_ moment: LogMoment?) {
    switch moment {
    case nil: put(0)
    case .instant(let time)?:
      put(1)
      put(time.microseconds)
    case .position(let position)?:
      put(2)
      put(Int64(bitPattern: position.value))
    case .offset(let topic, let partition, let offset)?:
      put(3)
      put(topic.text)
      put(Int64(partition))
      put(Int64(bitPattern: offset.value))
    }
  }

  /// A moment that may be none; nil when the frame is wrong.
  private mutating func moment() -> (moment: LogMoment?, Void)? {
    switch number() {
    case 0: return (nil, ())
    case 1: return number().map { (.instant(EventTime(microseconds: $0)), ()) }
    case 2: return number().map { (.position(Position(UInt64(bitPattern: $0))), ()) }
    case 3:
      guard let topic = text().flatMap(TopicName.init), let partition = number(), let offset = number() else {
        return nil
      }
      return (
        .offset(topic, partition: UInt16(truncatingIfNeeded: partition), Offset(UInt64(bitPattern: offset))),
        ()
      )
    default: return nil
    }
  }
}
