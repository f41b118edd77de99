public import MoontideCore

/// What came of a try to take up edited scripts.
public struct ReloadReport: Sendable {
  /// What happened to one definition.
  public struct Row: Sendable, Hashable {
    /// `projection`, `consumer`, `saga`, `decider`, `upcaster` or `settings`.
    public var kind: String
    public var name: String
    /// `changed`, `added`, `removed`, `renamed`; `same` of one that could not begin before and does now;
    /// `kept` of one that stays at work though it is removed.
    public var change: String
    /// 12 hexadecimal digits; empty of a removed one.
    public var version: String
    /// What follows, in words.
    public var follows: String
    public init(kind: String, name: String, change: String, version: String, follows: String) {
      self.kind = kind
      self.name = name
      self.change = change
      self.version = version
      self.follows = follows
    }
  }

  public var rows: [Row] = []
  /// With an error among them and no rows nothing was taken up. With rows an error is of one of those, which
  /// does not run now; else it is what is to be known.
  public var problems: [Diagnostic] = []

  public init() {}

  /// Nothing was taken up.
  init(refused problems: [Diagnostic]) { self.problems = problems }

  public var hasErrors: Bool { problems.contains { $0.severity == .error } }
  public var isRefused: Bool { rows.isEmpty && hasErrors }

  /// Columns of its rows.
  public static let columns = ["kind", "name", "change", "version", "follows"]
}

/// Take up the scripts as they are now.
public struct ReloadRequest: Sendable, Hashable {
  /// Whether handlers go too that have work left.
  public var approve: Bool
  public init(approve: Bool = false) { self.approve = approve }
}
