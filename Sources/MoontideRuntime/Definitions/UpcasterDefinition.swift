public import MoontideCore

/// The upcasters of one event type as a script defines them: a chain without gaps.
public struct UpcasterDefinition: Sendable, Hashable {
  /// The event type.
  public var type: String
  public var place: SourcePlace
  /// The versions that a function leads from, rising by one; function `n` leads to `n + 1`.
  public var versions: ClosedRange<UInt32>
  /// The content of its file and modules.
  public var version: Digest

  public init(type: String, place: SourcePlace, versions: ClosedRange<UInt32>, version: Digest = .zero) {
    self.type = type
    self.place = place
    self.versions = versions
    self.version = version
  }

  /// The version that handlers see.
  public var newest: UInt32 { versions.upperBound + 1 }
  public var path: String { place.file }
}
