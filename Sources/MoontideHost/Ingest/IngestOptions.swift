public import MoontideCore
public import MoontideJSON

/// How the event directory is taken in.
public struct IngestOptions: Sendable {
  /// Read every file to its end once and finish, instead of waiting for more.
  public var once: Bool
  /// Stop at the first bad line or conflict instead of quarantining it.
  public var strict: Bool
  /// Partitions of topics that are new, by name; others get `Limits.partitionsDefault`.
  public var partitions: [TopicName: UInt16]
  /// How long an append may wait for its flush: zero flushes as soon as the disk is free.
  public var flushInterval: Duration
  /// How long to wait before the directory is looked through again when nothing says that it changed.
  public var pollInterval: Duration

  /// Makes a command of the last draft of a batch, or says why it is none; see `Command.complete`.
  public var completeCommand: @Sendable (DraftBatch) throws(EnvelopeFault) -> Void = { _ in }

  public init(
    once: Bool = false, strict: Bool = false, partitions: [TopicName: UInt16] = [:],
    flushInterval: Duration = .zero, pollInterval: Duration = .milliseconds(200)
  ) {
    self.once = once
    self.strict = strict
    self.partitions = partitions
    self.flushInterval = flushInterval
    self.pollInterval = pollInterval
  }
}

/// How far ingest has come, since this process started.
public struct IngestCounts: Sendable, Hashable {
  /// Lines that were read, blank ones included.
  public var lines: UInt64 = 0
  /// New events in the log.
  public var events: UInt64 = 0
  /// New commands in the log.
  public var commands: UInt64 = 0
  /// Lines whose event or command was known, body and all.
  public var repeats: UInt64 = 0
  /// Bad lines that were set aside; conflicts are not among them.
  public var quarantined: UInt64 = 0
  /// Known identities with another body, set aside too.
  public var conflicts: UInt64 = 0
  /// Of the files as the last scan saw them, packed or not: for a progress bar.
  public var bytesDone: UInt64 = 0
  public var bytesTotal: UInt64 = 0
  public var files: Int = 0
}

/// Why ingest stopped for good.
public enum IngestFailure: Error, Sendable {
  /// `strict`, and a line was bad.
  case line(Diagnostic)
  case log(LogError)
}
