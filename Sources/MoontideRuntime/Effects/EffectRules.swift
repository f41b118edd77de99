/// What the settings allow effects to reach.
public struct EffectRules: Sendable, Hashable {
  /// Environment variables that they may refer to, in the order of the settings.
  public var environment: [String] = []
  /// Programs by the name that scripts use: absolute paths, or paths below the project.
  public var programs: [String: String] = [:]

  public init() {}
}
