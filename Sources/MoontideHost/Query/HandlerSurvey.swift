import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// How all handlers stand: from their threads where they run, else from their files.
struct HandlerSurvey {
  let paths: ProjectPaths
  let files: any FileSystem
  let catalog: ProjectCatalog
  private let log: any EventLog
  private let groups: [HandlerGroup]
  private let deciders: [DeciderGroup]

  init(_ project: MoontideProject, groups: [HandlerGroup] = [], deciders: [DeciderGroup] = []) {
    self.deciders = deciders
    paths = project.paths
    files = project.files
    catalog = project.catalog
    log = project.log
    self.groups = groups
  }

  /// What one handler's file says; nil while it has none.
  struct Entry {
    var definition: HandlerDefinition?
    var identity: StoreIdentity
    var ledger: HandlerLedger
    var deadLetters: [DeadLetter]
    /// Whether those are of a rebuild that stopped beside.
    var isOfRebuild = false
  }

  /// Handlers that are defined, then files whose handler is not defined any more.
  func summaries() throws(Diagnostic) -> [HandlerSummary] {
    var summaries: [HandlerSummary] = []
    for definition in catalog.definitions {
      var entry = try entry(definition)
      if entry == nil { entry = try archived(definition) }
      summaries.append(try summary(definition, entry))
    }
    return (summaries + (try deciderSummaries())).sorted { $0.name < $1.name }
  }

  func deciderSummaries() throws(Diagnostic) -> [HandlerSummary] {
    var summaries: [HandlerSummary] = []
    for decider in catalog.deciders { summaries.append(try summary(decider)) }
    return summaries
  }

  /// The files of all defined handlers.
  func entries() throws(Diagnostic) -> [Entry] {
    var entries: [Entry] = []
    for definition in catalog.definitions { if let entry = try entry(definition) { entries.append(entry) } }
    return entries
  }

  func entry(_ definition: HandlerDefinition) throws(Diagnostic) -> Entry? {
    guard var entry = try read(file(of: definition), definition) else { return nil }
    // A rebuild that stopped at what fails is what a person has to deal with; the old read model is not.
    if definition.kind == .projection, definition.exhausted == .halt,
      let stopped = try read(paths.rebuilding(definition.name), definition),
      stopped.identity.scriptVersion == definition.scriptVersion,
      !stopped.deadLetters.isEmpty
    {
      entry.deadLetters = stopped.deadLetters
      entry.isOfRebuild = true
    }
    return entry
  }

  /// Of one that was removed and is back: the next run goes on with the file that was put away.
  private func archived(_ definition: HandlerDefinition) throws(Diagnostic) -> Entry? {
    let stored = try HandlerArchive(paths: paths, files: files).returning(definition)
    guard let stored else { return nil }
    return try read(stored.path, definition)
  }

  /// Nil too when it was renamed, swapped in or dropped while it was looked at.
  private func read(_ path: String, _ definition: HandlerDefinition) throws(Diagnostic) -> Entry? {
    guard let reader = try StoreReader.ifThere(path, files) else { return nil }
    return try StoreError.told { () throws(StoreError) in
      Entry(
        definition: definition, identity: reader.identity, ledger: try reader.ledger(),
        deadLetters: try reader.deadLetters())
    }
  }

  private func file(of definition: HandlerDefinition) -> String {
    definition.kind == .projection ? paths.readModel(definition.name) : paths.handlerFile(definition.name)
  }

  private func summary(_ definition: HandlerDefinition, _ entry: Entry?) throws(Diagnostic) -> HandlerSummary
  {
    let group = groups.first { $0.definition.name == definition.name }
    let ledger = entry?.ledger ?? HandlerLedger()
    var checkpoints = ledger.checkpoints
    // It will be folded anew.
    let serves = group.map { $0.definition.scriptVersion } == entry?.identity.scriptVersion
    if !serves, let entry, try isToBeRebuilt(entry, definition) { checkpoints = [:] }
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    let statuses = group?.boards.map(\.status) ?? []
    var summary = HandlerSummary(
      name: definition.name, kind: definition.kind,
      version: entry?.identity.scriptVersion ?? definition.scriptVersion,
      state: try state(group, ledger, entry, definition),
      checkpoint: ledger.checkpoints.values.min() ?? .start,
      applied: ledger.applied, emitted: ledger.nextOutbox, held: UInt64(held),
      parked: UInt64(ledger.parked.count), dead: UInt64(ledger.deadLetters),
      lag: try LagCounter(log: log).count(definition, from: checkpoints), degradedSince: ledger.degradedSince,
      rate: group == nil ? nil : statuses.reduce(0) { $0 + $1.ratePerSecond },
      p99Milliseconds: statuses.compactMap(\.handlerTimeP99).max().map { $0 / .milliseconds(1) })
    summary.rebuild = group?.rebuild
    return summary
  }

  /// Whether the next run makes a read model anew: for an edited script, or for what people decided.
  func isToBeRebuilt(_ entry: Entry, _ definition: HandlerDefinition) throws(Diagnostic) -> Bool {
    guard definition.kind == .projection else { return false }
    if entry.identity.scriptVersion != definition.scriptVersion {
      let former = FormerVersions(paths: paths, files: files, log: log)
      if try former.rolledBackVersion(definition) != entry.identity.scriptVersion { return true }
    }
    return try LogError.told { () throws(LogError) in
      try Decision.all(of: definition.identityName, from: log).count
    } != entry.ledger.decided
  }

  private func summary(_ decider: DeciderDefinition) throws(Diagnostic) -> HandlerSummary {
    let status = deciders.first { $0.definition.name == decider.name }?.board.status
    let reached =
      status?.position
      ?? SnapshotFile.reached(path: paths.snapshots(decider.name), content: decider.version) ?? .start
    let state: String
    switch status {
    case nil: state = "stopped"
    case let status? where status.halted != nil: state = "halted"
    case let status? where status.waiting != nil: state = "waiting"
    default: state = "running"
    }
    return HandlerSummary(
      name: decider.name, kind: .decider, version: decider.scriptVersion, state: state, checkpoint: reached,
      applied: status.map { $0.accepted + $0.rejected + $0.failed } ?? 0, emitted: 0, held: 0, parked: 0,
      dead: 0, lag: try LagCounter(log: log).count(decider, from: reached), degradedSince: nil)
  }

  private func state(
    _ group: HandlerGroup?, _ ledger: HandlerLedger, _ entry: Entry?, _ definition: HandlerDefinition
  ) throws(Diagnostic) -> String {
    if group?.halted != nil { return "halted" }
    if group?.isWaiting == true { return "waiting" }
    if group?.isRebuilding == true { return "rebuilding" }
    if group?.failedRebuild != nil { return "not rebuilt" }
    if group == nil, let entry, try isToBeRebuilt(entry, definition) { return "to be rebuilt" }
    if definition.exhausted == .halt, ledger.deadLetters > 0, group == nil { return "halted" }
    if let since = ledger.degradedSince { return "degraded since \(since)" }
    if group != nil { return "running" }
    return entry == nil ? "new" : "stopped"
  }

  /// Whether a consumer has emitted events that are not in the log yet, or effects that did not end.
  static func isUnsettled(_ project: MoontideProject, _ definition: HandlerDefinition) throws(Diagnostic)
    -> Bool
  {
    let path = project.paths.handlerFile(definition.name)
    return try reading(path, project.files) { reader throws(StoreError) in
      if try reader.outboxCount() > 0 { return true }
      return try reader.hasOpenEffects()
    } ?? false
  }

  /// What a consumer's file says; nil while it has none.
  func ledger<T>(
    _ definition: HandlerDefinition, _ read: (StoreReader) throws(StoreError) -> T
  ) throws(Diagnostic) -> T? {
    try HandlerSurvey.reading(paths.handlerFile(definition.name), files, read)
  }

  private static func reading<T>(
    _ path: String, _ files: any FileSystem, _ read: (StoreReader) throws(StoreError) -> T
  ) throws(Diagnostic) -> T? {
    guard let reader = try StoreReader.ifThere(path, files) else { return nil }
    return try StoreError.told { () throws(StoreError) in try read(reader) }
  }

  /// Numbers of the effects of a handler that are being performed.
  func inFlight(_ definition: HandlerDefinition) -> Set<UInt64> {
    groups.first { $0.definition.name == definition.name }?.effects?.status.inFlight ?? []
  }
}

extension StoreOpeningError {
  static func told<T>(_ body: () throws(StoreError) -> T) throws(StoreOpeningError) -> T {
    do throws(StoreError) { return try body() } catch { throw .store(error) }
  }
}
