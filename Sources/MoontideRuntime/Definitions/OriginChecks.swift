import MoontideCore

/// Finds definitions that say by `was` that they were one which somebody else is, or says he was: they would
/// share its file and make events under the same ids.
struct OriginChecks {
  private(set) var diagnostics: [Diagnostic] = []

  init(_ handlers: [HandlerDefinition], _ deciders: [DeciderDefinition]) {
    let all =
      handlers.map { (kind: $0.kind, name: $0.name, was: $0.was, place: $0.place) }
      + deciders.map { (kind: .decider, name: $0.name, was: $0.was, place: $0.place) }
    for (index, one) in all.enumerated() {
      guard let was = one.was else { continue }
      let title = "\(one.kind.rawValue) \(one.name)"
      if let other = all.first(where: { $0.kind == one.kind && $0.name == was && $0.name != one.name }) {
        add(
          "\(title) says that it was \(was), and there still is one, \(other.place.file):\(other.place.line)",
          at: one.place)
      }
      if let other = all[..<index].first(where: { $0.kind == one.kind && $0.was == was }) {
        add("\(title) says that it was \(was), as does \(other.kind.rawValue) \(other.name)", at: one.place)
      }
    }
  }

  private mutating func add(_ title: String, at place: SourcePlace) {
    diagnostics.append(
      Diagnostic(code: RuntimeCode.renameConflict.rawValue, title, at: place).adding(
        "help", "remove the old definition, or leave `was` out of the new one: then it begins anew"))
  }
}
