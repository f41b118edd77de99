import MoontideCore
import MoontideRuntime

/// Which stored events one version handles and the other does not.
struct SubscriptionDiff {
  let old: HandlerDefinition
  let new: HandlerDefinition

  /// Whether the log must be counted to tell.
  var isNeeded: Bool { old.interest != new.interest || old.topics != new.topics }

  /// - Parameter counts: stored events by type and version.
  func differences(_ counts: [String: [UInt32: UInt64]]) -> [SubscriptionDifference] {
    var found: [SubscriptionDifference] = []
    for (type, versions) in counts.sorted(by: { $0.key < $1.key }) {
      let before = handled(old, type, versions)
      let after = handled(new, type, versions)
      guard before != after else { continue }
      found.append(
        .init(
          subject: type, old: Self.text(before), new: Self.text(after),
          events: max(before, after) - min(before, after)))
    }
    // Of types that no event has yet.
    let exact = Set(old.subscriptions + new.subscriptions).filter { !$0.contains("*") && counts[$0] == nil }
    for type in exact.sorted() where old.matches(type: type) != new.matches(type: type) {
      let isOld = old.matches(type: type)
      found.append(
        .init(
          subject: type, old: isOld ? "handled" : "not handled", new: isOld ? "not handled" : "handled",
          events: 0))
    }
    if old.topics != new.topics {
      found.append(.init(subject: "topics", old: topics(old), new: topics(new), events: 0))
    }
    return found
  }

  private func handled(
    _ definition: HandlerDefinition, _ type: String, _ versions: [UInt32: UInt64]
  ) -> UInt64 {
    versions.reduce(0) {
      $0 + (definition.interest.concerns(type: type, version: $1.key) ? $1.value : 0)
    }
  }

  private static func text(_ count: UInt64) -> String { count == 0 ? "not handled" : "handled" }

  private func topics(_ definition: HandlerDefinition) -> String {
    definition.topics.map { $0.map(\.text).sorted().joined(separator: ", ") } ?? "all"
  }
}
