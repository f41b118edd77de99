public import MoontideCore

/// What one step of an upcaster can return beside data, as far as its text tells. It errs to one side: what
/// the text does not rule out is taken as possible.
public struct StepShape: Sendable, Hashable {
  /// A type that it can make with `rename` or `split`.
  public struct Target: Sendable, Hashable {
    public var type: String
    /// Nil when it is computed; 1 when it is not said.
    public var version: UInt32?
    /// Whether the text says a version.
    public var isVersionSaid: Bool
    public var place: SourcePlace
  }

  public var targets: [Target] = []
  /// It may make types that its text does not name.
  public var isOpen = false
  public var drops = false
  /// Every return of it renames, splits or drops: the type has no later version.
  public var isCertain = false

  public init() {}

  /// Whether it may return anything but data.
  public var reshapes: Bool { isOpen || drops || !targets.isEmpty }
}
