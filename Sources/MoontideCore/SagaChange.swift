/// What a saga's file keeps of a script, so that open instances can end by it when it is edited: one handler
/// file, or one module that handler files require.
public struct SagaSource: Sendable, Hashable {
  /// What `require` finds it under; empty: it is a handler file.
  public var module: String
  /// Relative to the project.
  public var path: String
  public var text: [UInt8]

  public init(module: String = "", path: String, text: [UInt8]) {
    self.module = module
    self.path = path
    self.text = text
  }
}

/// What a transaction of a saga writes beside instances.
public enum SagaChange: Sendable {
  /// The sources that make that version of the script.
  case keep(version: String, [SagaSource])
  /// Sources of all other versions are forgotten.
  case forget(except: [String])
  /// These instances stand by that version of the script.
  case stamp([[UInt8]], version: String)
  /// Of instances that ended more than `kept` ago nothing is kept but their correlation value and how they
  /// ended; done when there are `least` more. One whose command has no outcome yet, or whose compensation may
  /// be owed a second call, stays whole.
  case compact(kept: Int, least: Int)
  /// The firing of a timer is on its way through the log.
  case announced(key: [UInt8], ordinal: UInt64, TimerAnnouncement)
}
