public import MoontideCore

/// What `check` advises: names, thin events, fields that are never there, types that nobody reads.
/// Warnings, one line each; none of them keeps a project from running.
public struct Guidance {
  /// What is known of the log; empty without one.
  public struct LogView: Sendable {
    /// How many stored events there are of each type and version.
    public var counts: [String: [UInt32: UInt64]] = [:]
    /// What events carry, by the type that handlers see.
    public var samples: [String: TypeSample] = [:]

    public init() {}
  }

  private let catalog: ProjectCatalog
  private let types: NamedTypes
  private let log: LogView

  public init(_ catalog: ProjectCatalog, log: LogView) {
    self.catalog = catalog
    self.log = log
    types = NamedTypes(catalog)
  }

  /// In the order of places, those without one last.
  /// - Parameter deciders: the command types that deciders take; nil while no project can have deciders.
  public func diagnostics(deciders: Set<String>? = nil) -> [Diagnostic] {
    let found =
      eventNames() + commandNames() + undecided(deciders) + thinEvents() + neverSeen() + unread()
      + StoredVersions(catalog, counts: log.counts).diagnostics
    return found.sorted { a, b in
      (a.place == nil ? 1 : 0, a.place?.file ?? "", a.place?.line ?? 0, a.title)
        < (b.place == nil ? 1 : 0, b.place?.file ?? "", b.place?.line ?? 0, b.title)
    }
  }

  private func advice(_ code: RuntimeCode, _ text: String, at place: SourcePlace?, help: String) -> Diagnostic
  {
    Diagnostic(code.severity, code: code.rawValue, text, at: place).adding("help", help)
  }

  private func eventNames() -> [Diagnostic] {
    types.events.sorted { $0.key < $1.key }.compactMap { type, place in
      let words = NameWords(type)
      guard words.isEnglish, !words.tellsOfThePast else { return nil }
      return advice(
        .eventName, "the event \(type) does not say what happened", at: place,
        help:
          "name it in the past tense, such as OrderPlaced; an upcaster with rename does it for stored events")
    }
  }

  private func commandNames() -> [Diagnostic] {
    types.commands.sorted { $0.key < $1.key }.compactMap { type, place in
      let words = NameWords(type)
      guard words.isEnglish, !words.isImperative else { return nil }
      return advice(
        .commandName, "the command \(type) does not say what to do", at: place,
        help: "name it in the imperative, such as PlaceOrder; an event says that it happened")
    }
  }

  private func undecided(_ deciders: Set<String>?) -> [Diagnostic] {
    guard let deciders else { return [] }
    return types.commands.sorted { $0.key < $1.key }.compactMap { type, place in
      if deciders.contains(type) { return nil }
      let near = Suggestion.nearest(to: type, among: deciders.sorted())
      return advice(
        .commandWithoutDecider, "no decider takes the command \(type)", at: place,
        help: near.map { "did you mean `\($0)`?" }
          ?? "write decide = { \(type) = function(command, state) … end }")
    }
  }

  private func thinEvents() -> [Diagnostic] {
    var thin: [String: SourcePlace?] = [:]
    for (type, sample) in log.samples where sample.count > 0 && !sample.isRich {
      thin[type] = .some(types.events[type])
    }
    for literal in types.literals where log.samples[literal.type] == nil {
      let isThin = !literal.fields.isEmpty && literal.fields.allSatisfy(TypeSample.isID)
      // Made in several ways, one of them may carry more.
      let others = types.literals.filter { $0.type == literal.type }
      if isThin, others.allSatisfy({ $0.fields.allSatisfy(TypeSample.isID) }), thin[literal.type] == nil {
        thin[literal.type] = .some(literal.place)
      }
    }
    return thin.sorted { $0.key < $1.key }.map { type, place in
      advice(
        .thinEvent, "the event \(type) carries nothing but ids", at: place,
        help: "put what happened into it, so that nobody has to ask somewhere else what it was at that time")
    }
  }

  private func neverSeen() -> [Diagnostic] {
    AskedFields(catalog).fields.compactMap { asked in
      guard let sample = log.samples[asked.type], sample.count > 0, sample.isWhole,
        !sample.fields.contains(asked.field)
      else {
        return nil
      }
      return asked.warning(names: sample.fields)
    }
  }

  /// One line for all of them: a project may well read a part of a stream only.
  private func unread() -> [Diagnostic] {
    guard !catalog.definitions.isEmpty else { return [] }
    let folded = catalog.deciders.map { $0.interest(in: catalog.upcasters) }
    // What scripts of the project emit may well be for others.
    let unread = log.counts.filter { type, versions in
      types.made[type] == nil
        && !versions.keys.contains { version in
          catalog.definitions.contains { $0.interest.concerns(type: type, version: version) }
            || folded.contains { $0.concerns(type: type, version: version) }
        }
    }
    guard !unread.isEmpty else { return [] }
    let names = unread.keys.sorted()
    let missed = catalog.definitions.flatMap(\.subscriptions).filter {
      !$0.hasSuffix("*") && log.counts[$0] == nil && log.samples[$0] == nil && types.made[$0] == nil
    }
    let near = missed.lazy.compactMap { asked in
      Suggestion.nearest(to: asked, among: names).map { (asked, $0) }
    }.first
    let shown = names.prefix(Limits.adviceNamesMax).joined(separator: ", ")
    let what = names.count == 1 ? "a type" : "\(names.count) types"
    let more = names.count > Limits.adviceNamesMax ? " and \(names.count - Limits.adviceNamesMax) more" : ""
    return [
      advice(
        .unreadTypes,
        "no handler reads \(what) of stored events: \(shown)\(more)", at: nil,
        help: near.map { "a handler has `\($0.0)`: did you mean `\($0.1)`?" }
          ?? "handle them, or leave it so if they are for others")
    ]
  }
}
