import Synchronization

/// Where a lane shows its status to other threads: written once per batch, read by anyone.
public final class StatusBoard: Sendable {
  private let current: Mutex<HandlerStatus>

  public init(_ definition: HandlerDefinition, lane: Int) {
    current = Mutex(
      HandlerStatus(
        name: definition.name, kind: definition.kind, scriptVersion: definition.scriptVersion, lane: lane,
        position: .start))
  }

  public var status: HandlerStatus { current.withLock { $0 } }

  func publish(_ status: HandlerStatus) {
    current.withLock {
      $0 = status
      $0.hasBegun = true
    }
  }
}
