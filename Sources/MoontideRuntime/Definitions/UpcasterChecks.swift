import MoontideCore

/// What can only be told once all upcasters and handlers are known: circles, versions that are wanted and
/// that nothing leads to, handlers of types that are no more.
struct UpcasterChecks {
  let upcasters: [String: UpcasterDefinition]
  private(set) var diagnostics: [Diagnostic] = []

  init(_ upcasters: [String: UpcasterDefinition], handlers: [HandlerDefinition]) {
    self.upcasters = upcasters
    findCircles()
    findUnsaidVersions()
    for handler in handlers {
      for want in handler.wants { check(want, of: handler) }
      findRenamedAway(handler)
    }
  }

  private mutating func report(_ code: RuntimeCode, _ text: String, at place: SourcePlace, help: String) {
    diagnostics.append(
      Diagnostic(code.severity, code: code.rawValue, text, at: place).adding("help", help))
  }

  private mutating func findCircles() {
    for circle in UpcastFlow(upcasters: upcasters).circles() {
      guard let last = circle.targets.last else { continue }
      let way = ([circle.type] + circle.targets.map(\.type)).joined(separator: " → ")
      report(
        .upcasterCircle, "upcasters go round in a circle: \(way)", at: last.place,
        help: last.isVersionSaid
          ? "make it a version that no step leads from"
          : "say which version it is: without one it is version 1, and goes through the upcaster of "
            + "\(last.type) again")
    }
  }

  /// A type that has several versions now, and is made without saying which.
  private mutating func findUnsaidVersions() {
    let circles = Set(UpcastFlow(upcasters: upcasters).circles().flatMap(\.targets))
    var told: Set<SourcePlace> = []
    for upcaster in upcasters.values.sorted(by: { $0.type < $1.type }) {
      for target in upcaster.shapes.flatMap(\.targets)
      where !target.isVersionSaid && !circles.contains(target) {
        guard let newest = upcasters[target.type]?.newest, newest > 1, told.insert(target.place).inserted
        else { continue }
        report(
          .versionUnsaid,
          "upcaster \"\(upcaster.type)\" makes \(target.type) without saying which of its versions, so it is "
            + "version 1 of \(newest)", at: target.place,
          help: "rename(\"\(target.type)\", data, \(newest)), or events.\(target.type)(data, { version = "
            + "\(newest) }) in a split; write 1 if that is meant")
      }
    }
  }

  private mutating func check(_ want: WantedVersion, of handler: HandlerDefinition) {
    let title = "\(handler.kind.rawValue) \"\(handler.name)\""
    guard let upcaster = upcasters[want.type] else {
      let near = Suggestion.nearest(to: want.type, among: upcasters.keys.sorted())
      return report(
        .wantsWithoutPath,
        "\(title) wants version \(want.version) of \(want.type), which no upcaster gives versions",
        at: want.place, help: near.map { "did you mean `\($0)`?" } ?? "remove it, or write the upcaster")
    }
    guard handler.matches(type: want.type) else {
      return report(
        .wantsWithoutPath, "\(title) wants a version of \(want.type) and has no function for it",
        at: want.place, help: "add on = { \(want.type) = function(event, …) … end }, or remove it")
    }
    let known = upcaster.versions.lowerBound...max(upcaster.newest, upcaster.versions.lowerBound)
    guard want.version <= known.upperBound else {
      return report(
        .wantsWithoutPath,
        "\(title) wants version \(want.version) of \(want.type), whose newest is \(known.upperBound)",
        at: want.place, help: "want a version from 1 to \(known.upperBound)")
    }
    guard let cut = known.last(where: { !upcaster.leads(from: $0, to: want.version) }),
      let missing = (want.version + 1...cut).last(where: { !upcaster.downs.contains($0) })
    else { return }
    report(
      .wantsWithoutPath,
      "\(title) wants version \(want.version) of \(want.type), and nothing leads from version \(missing) "
        + "down to \(missing - 1)", at: want.place,
      help: "add down = { [\(missing)] = function(data, event) … return data end } to the upcaster in "
        + "\(upcaster.path):\(upcaster.place.line)")
  }

  /// A handler that names a type of which upcasters make others, always.
  private mutating func findRenamedAway(_ handler: HandlerDefinition) {
    for type in handler.subscriptions {
      guard let upcaster = upcasters[type], upcaster.shapes.last?.isCertain == true,
        handler.interest.wants[type] == nil
      else { continue }
      let last = upcaster.shapes[upcaster.shapes.count - 1]
      let others = last.targets.map(\.type).filter { $0 != type }
      if others.isEmpty && !last.drops || last.targets.contains(where: { $0.type == type }) { continue }
      report(
        .renamedAway,
        "\(handler.kind.rawValue) \"\(handler.name)\" handles \(type), which its upcaster makes "
          + (others.isEmpty ? "nothing of" : "\(others.joined(separator: " and ")) of") + ": it sees none",
        at: handler.place,
        help: others.first.map {
          "handle \($0), or say wants = { \(type) = \(upcaster.versions.upperBound) }"
        } ?? "remove the function, or say wants = { \(type) = \(upcaster.versions.upperBound) }")
    }
  }
}
