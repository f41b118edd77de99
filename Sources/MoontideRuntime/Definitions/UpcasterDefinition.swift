public import MoontideCore

/// The upcasters of one event type as a script defines them: a chain without gaps.
public struct UpcasterDefinition: Sendable, Hashable {
  /// The event type.
  public var type: String
  public var place: SourcePlace
  /// The versions that a function leads from, rising by one; function `n` leads to `n + 1`.
  public var versions: ClosedRange<UInt32>
  /// What each of them can make, in the order of `versions`.
  public var shapes: [StepShape]
  /// The versions that a function of `down` leads from, rising; function `n` leads to `n - 1`.
  public var downs: [UInt32]
  /// The content of its file and modules.
  public var version: Digest

  /// - Parameter shapes: one for each of `versions`; none: all of them return data alone.
  public init(
    type: String, place: SourcePlace, versions: ClosedRange<UInt32>, shapes: [StepShape] = [],
    downs: [UInt32] = [], version: Digest = .zero
  ) {
    self.type = type
    self.place = place
    self.versions = versions
    self.shapes = shapes.isEmpty ? versions.map { _ in StepShape() } : shapes
    precondition(
      self.shapes.count == versions.count, "\(self.shapes.count) shapes of \(versions.count) versions")
    self.downs = downs
    self.version = version
  }

  /// The version that handlers see, and that new events of the type have. A step that surely makes other
  /// types of every event leads to no version of this one.
  public var newest: UInt32 {
    guard let last = shapes.last, last.isCertain, !last.targets.contains(where: { $0.type == type }) else {
      return versions.upperBound + 1
    }
    return versions.upperBound
  }
  public var path: String { place.file }

  /// What the step from that version can make, or nil when there is none.
  public func shape(from version: UInt32) -> StepShape? {
    versions.contains(version) ? shapes[Int(version - versions.lowerBound)] : nil
  }

  /// Whether functions lead from one version to the other, up or down.
  public func leads(from version: UInt32, to other: UInt32) -> Bool {
    if version <= other {
      return version == other || (versions.contains(version) && other <= versions.upperBound + 1)
    }
    return (other + 1...version).allSatisfy { downs.contains($0) }
  }
}
