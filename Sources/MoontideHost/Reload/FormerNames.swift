import MoontideRuntime

/// Which names definitions of one kind had before, as takeovers tell.
struct FormerNames {
  /// The next name after one that nobody has any more.
  private var next: [String: String] = [:]

  /// - Parameter takeovers: oldest first.
  init(_ kind: ScriptOutline.Kind, _ takeovers: [TakeoverRecord]) {
    for takeover in takeovers {
      for definition in takeover.definitions where definition.entry.kind == kind {
        guard definition.change != .removed else { continue }
        next[definition.entry.name] = nil
        if definition.change == .renamed, let was = definition.entry.was { next[was] = definition.entry.name }
      }
    }
  }

  /// What a definition is called now that had this name; nil when it was never renamed.
  func newest(of name: String) -> String? {
    var newest = next[name]
    // Names that follow one another in a circle are in use again, and so have no next one.
    while let later = newest.flatMap({ next[$0] }) { newest = later }
    return newest
  }
}
