/// What follows from one set of scripts taking the place of another one. Pure: it reads no file and starts
/// nothing.
public struct ReloadPlan: Sendable, Hashable {
  public enum Change: String, Sendable, Hashable, CaseIterable {
    /// Its version is the same: nothing happens to it, or it begins again with what the project shares.
    case same
    case changed, added, removed, renamed
  }

  /// What happens to one definition.
  public struct Step: Sendable, Hashable {
    public var kind: ScriptOutline.Kind
    /// The new name; of a removed one its last.
    public var name: String
    public var change: Change
    /// Nil of a removed one.
    public var version: String?
    /// The version before; nil of an added one.
    public var previous: String?
    /// The old name of a renamed one.
    public var was: String?
    /// Of an added one: the file, below the project, that was put away when it was removed, and that it goes
    /// on with.
    public var store: String?
    /// Of one whose version is the same: whether it begins again all the same, since something that it
    /// shares with others has changed (budgets, where commands go, the versions of new events).
    public var isAgain = false
    /// Of one whose version is the same: whether it is not at work, and begins for that reason.
    public var isIdle = false

    public init(
      _ change: Change, _ kind: ScriptOutline.Kind, _ name: String, version: String? = nil,
      previous: String? = nil, was: String? = nil
    ) {
      self.kind = kind
      self.name = name
      self.change = change
      self.version = version
      self.previous = previous
      self.was = was
    }
  }

  /// Removed ones first, so that what they leave is out of the way; then renamed, changed, added, and those
  /// that stay. Upcasters and settings come before handlers.
  public private(set) var steps: [Step]

  public init(from old: ScriptOutline, to new: ScriptOutline) {
    var steps: [Step] = []
    var carried: Set<ScriptOutline.Entry> = []
    for entry in new.entries {
      let known = old[entry.kind, entry.name]
      if let origin = ReloadPlan.origin(of: entry, in: old, new) {
        carried.insert(origin)
        var step = Step(
          .renamed, entry.kind, entry.name, version: entry.version, previous: origin.version)
        step.was = origin.name
        steps.append(step)
      } else if let known {
        var step = Step(
          known.version == entry.version ? .same : .changed, entry.kind, entry.name,
          version: entry.version, previous: known.version)
        step.isAgain = step.change == .same && ReloadPlan.begins(entry.kind, again: old.shared, new.shared)
        steps.append(step)
      } else {
        steps.append(Step(.added, entry.kind, entry.name, version: entry.version))
      }
    }
    for entry in old.entries where new[entry.kind, entry.name] == nil && !carried.contains(entry) {
      steps.append(Step(.removed, entry.kind, entry.name, previous: entry.version))
    }
    self.steps = steps.sorted { ReloadPlan.order($0) < ReloadPlan.order($1) }
  }

  /// The one whose place it takes: its old name was there, and nobody has it now.
  private static func origin(
    of entry: ScriptOutline.Entry, in old: ScriptOutline, _ new: ScriptOutline
  ) -> ScriptOutline.Entry? {
    guard let was = entry.was, old[entry.kind, entry.name] == nil, new[entry.kind, was] == nil else {
      return nil
    }
    return old[entry.kind, was]
  }

  /// Whether what all share has changed for those of that kind. Projections make no events and send no
  /// commands.
  private static func begins(
    _ kind: ScriptOutline.Kind, again old: ScriptOutline.Shared?, _ new: ScriptOutline.Shared?
  ) -> Bool {
    guard let old, let new else { return false }
    switch kind {
    case .settings, .upcaster: return false
    case .projection: return old.defaults != new.defaults
    case .consumer, .saga, .decider: return old != new
    }
  }

  private static func order(_ step: Step) -> (Int, Int, String) {
    let changes: [Change] = [.removed, .renamed, .changed, .added, .same]
    let kinds: [ScriptOutline.Kind] = [.settings, .upcaster, .decider, .consumer, .saga, .projection]
    return (
      changes.firstIndex(of: step.change) ?? changes.count, kinds.firstIndex(of: step.kind) ?? kinds.count,
      step.name
    )
  }

  /// Those whose version, name or presence changes: what is told and recorded.
  public var changes: [Step] { steps.filter { $0.change != .same } }

  /// Whether nothing needs to be done at all.
  public var isEmpty: Bool { steps.allSatisfy { $0.change == .same && !$0.isAgain } }

  /// Whether a definition would be gone for good.
  public var removes: Bool { steps.contains { $0.change == .removed } }

  /// Those whose version is the same begin again where they are not at work.
  public mutating func beginAgain(where isIdle: (Step) -> Bool) {
    for index in steps.indices where steps[index].change == .same && isIdle(steps[index]) {
      steps[index].isAgain = true
      steps[index].isIdle = true
    }
  }

  /// That one goes on with a file that was put away.
  public mutating func goesOn(_ kind: ScriptOutline.Kind, _ name: String, with store: String) {
    for index in steps.indices where steps[index].kind == kind && steps[index].name == name {
      steps[index].store = store
    }
  }

  /// Without what happens to these: they stay as they are.
  public mutating func leaveAlone(_ kept: [Step]) { steps.removeAll { kept.contains($0) } }
}
