import MoontideCore
import MoontideRuntime

/// Files of handlers that the log says were removed, and that lie in their place all the same: nothing ran
/// when their script went, or the process died before it had put them away. For the start of a run.
struct LeftFiles {
  let project: MoontideProject
  let archive: HandlerArchive

  private struct Removed: Hashable {
    var kind: HandlerKind
    var name: String
  }

  /// Puts them into the archive, where they are found when their handler is back; those with work left stay
  /// and are told.
  func putAway() throws(Diagnostic) -> [Diagnostic] {
    var told: [Diagnostic] = []
    for one in try removed() {
      let label = "\(one.kind.rawValue) \(one.name)"
      let left = try archive.unfinished(one.kind, one.name)
      if left.isEmpty {
        let put = try archive.putAway(one.kind, one.name, at: project.clock.now)
        guard let file = put.file ?? put.former else { continue }
        told.append(
          Diagnostic(
            .note, code: HostCode.archived.code,
            "\(label) is gone from the scripts; its file is now \(file)",
            details: [.init("help", "put its script back, and it goes on with that file")]))
      } else {
        told.append(
          Diagnostic(
            .warning, code: HostCode.reload.code,
            "\(label) was removed and has work left: \(left.joined(separator: ", "))",
            details: [
              .init("state", "it does not run; its file stays where it is"),
              .init("help", "put its script back, and it goes on; or move the file out of data/handlers"),
            ]))
      }
    }
    return told
  }

  /// By name.
  private func removed() throws(Diagnostic) -> [Removed] {
    var last: [Removed: ReloadPlan.Change] = [:]
    for takeover in try KeptScripts(project).takeovers() {
      for definition in takeover.definitions {
        guard let kind = HandlerKind(rawValue: definition.entry.kind.rawValue) else { continue }
        last[Removed(kind: kind, name: definition.entry.name)] = definition.change
      }
    }
    return last.filter { one, change in
      change == .removed && [.projection, .consumer, .saga].contains(one.kind) && !isWanted(one)
    }
    .keys.sorted { $0.name < $1.name }
  }

  /// Whether a handler has that file, or takes it up under its new name. Consumers and sagas lie in one
  /// folder.
  private func isWanted(_ one: Removed) -> Bool {
    project.catalog.definitions.contains { definition in
      (definition.kind == .projection) == (one.kind == .projection)
        && [definition.name, definition.was].contains(one.name)
    }
  }
}
