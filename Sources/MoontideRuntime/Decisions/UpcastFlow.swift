import MoontideCore

/// What can become of stored events, as far as the texts of upcasters tell: a graph over types and versions.
struct UpcastFlow {
  let upcasters: [String: UpcasterDefinition]
  /// Where chains stop for a handler.
  var wants: [String: UInt32] = [:]

  private struct Place: Hashable {
    var type: String
    /// Nil: any.
    var version: UInt32?
  }

  /// The steps that an event of that type and version can go through, first to last; nil: of any version.
  private func steps(_ type: String, from version: UInt32?) -> ArraySlice<StepShape> {
    guard let upcaster = upcasters[type] else { return [] }
    let first = upcaster.versions.lowerBound
    let end = min(wants[type] ?? .max, upcaster.versions.upperBound + 1)
    let start = version ?? first
    guard start >= first, start < end else { return [] }
    return upcaster.shapes[Int(start - first)..<Int(end - first)]
  }

  /// The versions that steps can make other types of.
  func reshapedVersions(of type: String) -> ClosedRange<UInt32>? {
    let steps = steps(type, from: nil)
    guard let first = upcasters[type]?.versions.lowerBound,
      let last = steps.lastIndex(where: { $0.reshapes })
    else { return nil }
    return first...first + UInt32(last)
  }

  /// What the steps lead to: whether the event may stay of its type, what it may be made, and whether that
  /// may be anything.
  private func outcome(_ place: Place) -> (stays: Bool, targets: [StepShape.Target], isOpen: Bool) {
    var targets: [StepShape.Target] = []
    for step in steps(place.type, from: place.version) {
      if step.isOpen { return (true, targets, true) }
      targets += step.targets
      if step.isCertain, place.version != nil { return (false, targets, false) }
    }
    return (true, targets, false)
  }

  /// Whether an event of that type and version may become one of which `condition` holds.
  func reaches(_ type: String, version: UInt32?, where condition: (String) -> Bool) -> Bool {
    var open = [Place(type: type, version: version)]
    var seen = Set(open)
    while let place = open.popLast() {
      let next = outcome(place)
      if next.isOpen || (next.stays && condition(place.type)) { return true }
      for target in next.targets {
        let place = Place(type: target.type, version: target.version)
        if seen.insert(place).inserted { open.append(place) }
      }
    }
    return false
  }

  /// Ways that lead back to where they began: for each the type that it was found at, the targets in order.
  /// A target whose version is computed is not followed: it may well be the newest.
  func circles() -> [(type: String, targets: [StepShape.Target])] {
    var found: [(type: String, targets: [StepShape.Target])] = []
    var done: Set<Place> = []
    for type in upcasters.keys.sorted() {
      guard let versions = upcasters[type]?.versions else { continue }
      for version in versions {
        var path: [(place: Place, by: StepShape.Target?)] = []
        follow(Place(type: type, version: version), by: nil, &path, &done, &found)
      }
    }
    return found
  }

  private func follow(
    _ place: Place, by target: StepShape.Target?, _ path: inout [(place: Place, by: StepShape.Target?)],
    _ done: inout Set<Place>, _ found: inout [(type: String, targets: [StepShape.Target])]
  ) {
    if let start = path.firstIndex(where: { $0.place == place }) {
      let targets = path[(start + 1)...].compactMap(\.by) + (target.map { [$0] } ?? [])
      found.append((place.type, targets))
      return
    }
    guard !done.contains(place) else { return }
    path.append((place, target))
    for next in outcome(place).targets where next.version != nil {
      follow(Place(type: next.type, version: next.version), by: next, &path, &done, &found)
    }
    path.removeLast()
    done.insert(place)
  }
}
