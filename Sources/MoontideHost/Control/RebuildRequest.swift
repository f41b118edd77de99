public import MoontideCore

/// What a person asks to be done with a read model.
public struct RebuildRequest: Sendable, Hashable {
  public enum Action: Int64, Sendable, Hashable {
    /// Fold it anew beside the one in use, and put it in its place.
    case rebuild
    /// Put the one back that the one in use took the place of.
    case rollBack
  }

  /// The projection.
  public var name: String
  public var action: Action

  public init(_ name: String, _ action: Action = .rebuild) {
    self.name = name
    self.action = action
  }
}

/// What became of it.
public struct RebuildOutcome: Sendable, Hashable {
  /// The projection, and the version of its script that serves now.
  public var name: String
  public var version: String
  /// The next event that it handles.
  public var position: Position

  public init(name: String, version: String, position: Position) {
    self.name = name
    self.version = version
    self.position = position
  }
}

/// Hears how far a rebuild is.
public protocol RebuildObserver: AnyObject {
  /// A few times a second. What it throws ends the waiting, not the rebuild.
  func progress(_ status: RebuildStatus) throws(Diagnostic)
  /// What it waits for, such as room on the disk; beside a run only the run tells. What it throws ends the
  /// waiting.
  func problem(_ problem: Diagnostic) throws(Diagnostic)
}

extension RebuildObserver {
  public func problem(_ problem: Diagnostic) throws(Diagnostic) {}
}

/// Requests as frames, both ways; the order of fields is the format.
extension WireFrame {
  init(_ request: RebuildRequest) {
    self.init(.rebuild)
    put(request.name)
    put(request.action.rawValue)
  }

  mutating func rebuildRequest() -> RebuildRequest? {
    guard let name = text(), let action = number().flatMap(RebuildRequest.Action.init) else { return nil }
    return RebuildRequest(name, action)
  }

  init(_ status: RebuildStatus) {
    self.init(.rebuilding)
    put(status.name)
    put(status.version)
    put(Int64(status.position.value))
    put(Int64(status.end.value))
    put(Int64(status.ratePerSecond))
  }

  mutating func rebuildStatus() -> RebuildStatus? {
    guard let name = text(), let version = text(), let position = number(), let end = number(),
      let rate = number()
    else { return nil }
    return RebuildStatus(
      name: name, version: version, position: Position(UInt64(position)), end: Position(UInt64(end)),
      ratePerSecond: Double(rate))
  }

  init(_ outcome: RebuildOutcome) {
    self.init(.rebuilt)
    put(outcome.name)
    put(outcome.version)
    put(Int64(outcome.position.value))
  }

  mutating func rebuildOutcome() -> RebuildOutcome? {
    guard let name = text(), let version = text(), let position = number() else { return nil }
    return RebuildOutcome(name: name, version: version, position: Position(UInt64(position)))
  }
}
