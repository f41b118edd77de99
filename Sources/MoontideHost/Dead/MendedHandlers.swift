import MoontideCore
import MoontideRuntime

/// Consumers whose scripts were edited since events of theirs became dead letters: they offer the retry.
struct MendedHandlers {
  let project: MoontideProject

  init(_ project: MoontideProject) { self.project = project }

  /// A note for each. A projection needs none: an edited one is rebuilt anyway. Nor does one that stops at
  /// what fails: it tries again when it is started.
  func offers(_ definitions: [HandlerDefinition]) throws(Diagnostic) -> [Diagnostic] {
    let survey = HandlerSurvey(project)
    var offers: [Diagnostic] = []
    for definition in definitions where definition.kind != .projection && definition.exhausted != .halt {
      guard let entry = try survey.entry(definition) else { continue }
      let old = entry.deadLetters.count { $0.scriptVersion != definition.scriptVersion }
      if old == 0 { continue }
      offers.append(
        Diagnostic(
          .note, code: HostCode.mended.code,
          "\(definition.kind.rawValue) \(definition.name) was edited since "
            + "\(Counted.text(old, "event")) of it became dead",
          at: definition.place,
          details: [
            .init(
              "help",
              "moontide dead retry \(definition.name) --dry-run · moontide dead retry \(definition.name)")
          ]))
    }
    return offers
  }
}
