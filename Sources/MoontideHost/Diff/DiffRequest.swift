public import MoontideCore

/// What `projection diff` is asked.
public struct DiffRequest: Sendable {
  /// A script that is to take the place of the one on disk.
  public struct Script: Sendable {
    /// For messages.
    public var path: String
    public var text: [UInt8]
    public init(path: String, text: [UInt8]) {
      self.path = path
      self.text = text
    }
  }

  /// A projection, by its name on disk; a renamed one by either.
  public var name: String
  /// Nil: the script on disk is the new one, and the live read model the old.
  public var script: Script?
  /// Samples of one kind in one table: 0 to `Limits.diffSamplesMax`.
  public var samples = Limits.diffSamplesDefault
  /// Whether the first event of each difference is searched, by folding both versions once more.
  public var tracesEvents = true

  public init(_ name: String, script: Script? = nil) {
    self.name = name
    self.script = script
  }
}

/// Hears of a comparison; called on its thread. What it throws ends the comparison.
public protocol DiffObserver: AnyObject {
  /// Something long has come so far: `fold the old version`, how much of how much, as far as that is known.
  func working(_ what: String, done: UInt64, total: UInt64?) throws(Diagnostic)
  /// That is done.
  func done(_ what: String) throws(Diagnostic)
}

/// What came of it.
public enum DiffOutcome: Sendable {
  case report(DiffReport)
  /// The scripts are the same but for blanks and comments: why there is nothing to compare.
  case same(String)
}
