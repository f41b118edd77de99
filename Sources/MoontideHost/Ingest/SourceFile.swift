public import MoontideCore

/// One file of the event directory, as a scan saw it.
public struct SourceFile: Sendable, Hashable {
  /// For opening.
  public var path: String
  /// Below the project, as messages show it: `events/orders.jsonl`.
  public var name: String
  public var topic: TopicName
  public var isGzip: Bool
  public var status: FileStatus
  public init(path: String, name: String, topic: TopicName, isGzip: Bool, status: FileStatus) {
    self.path = path
    self.name = name
    self.topic = topic
    self.isGzip = isGzip
    self.status = status
  }
}
