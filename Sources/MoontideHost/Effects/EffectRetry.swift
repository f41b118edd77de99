import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Has effects performed again as a person asks: their ledger has them as open again, in their next round,
/// and the relay of their handler goes on from there. Beside a run it is the run's own; else the handlers
/// concerned run here, to their end.
struct EffectRetry {
  let project: MoontideProject
  /// The handlers at work; nil when nothing runs.
  let running: RunningGroups?
  let progressed: Bell

  private typealias Chosen = (definition: HandlerDefinition, effects: [LedgerEffect])

  func run(_ request: EffectsRequest, to sink: any RowSink) throws(Diagnostic) {
    if let broken = project.warnings.first(where: { $0.severity == .error }) { throw broken }
    let chosen = try choose(request)
    try sink.columns(EffectsRequest.columns)
    for one in chosen { try reopen(one) }
    if running == nil {
      try runToEnd(chosen)
    } else {
      try wait(chosen)
    }
    for one in chosen { try tell(one, sink) }
  }

  private func choose(_ request: EffectsRequest) throws(Diagnostic) -> [Chosen] {
    let survey = HandlerSurvey(project)
    var chosen: [Chosen] = []
    var known: Set<String> = []
    for definition in project.catalog.definitions where definition.kind != .projection {
      known.insert(definition.name)
      let isAll = request.names.isEmpty || request.names.contains(definition.name)
      let effects: [LedgerEffect] =
        try survey.ledger(definition) { reader throws(StoreError) in
          var effects: [LedgerEffect] =
            isAll ? try reader.effects(LedgerSelection(statuses: [.dead])) : []
          for name in request.names {
            for effect in try reader.effects(LedgerSelection(key: name)) {
              known.insert(name)
              if !effect.status.isOpen, !effects.contains(where: { $0.key == name }) {
                effects.append(effect)
              }
            }
          }
          return effects
        } ?? []
      if !effects.isEmpty { chosen.append((definition, effects)) }
    }
    if let stray = request.names.first(where: { !known.contains($0) }) {
      throw Diagnostic(
        .noSuchEffect, "there is no effect and no consumer \(stray)",
        help: Suggestion.nearest(to: stray, among: known.sorted()).map { "did you mean \($0)?" })
    }
    return chosen
  }

  /// In one transaction, then the running relay is told.
  private func reopen(_ chosen: Chosen) throws(Diagnostic) {
    let group = running?.all.first { $0.definition.name == chosen.definition.name }
    let file: ConsumerFile
    if let known = group?.file {
      file = known
    } else {
      file = try StoreKeeper(project).consumer(chosen.definition, log: project.log)
    }
    let store: ConsumerStore
    do throws(StoreOpeningError) { store = try file.store() } catch { throw error.diagnostic(file.path) }
    try StoreError.told { () throws(StoreError) in
      let transaction = try store.begin(folding: false)
      do throws(StoreError) {
        for effect in chosen.effects { try transaction.write(.effect(.again(sequence: effect.sequence))) }
        try transaction.commit()
      } catch {
        try transaction.rollback()
        throw error
      }
    }
    group?.performAgain(chosen.effects.map(\.sequence))
  }

  private func runToEnd(_ chosen: [Chosen]) throws(Diagnostic) {
    if chosen.isEmpty { return }
    var options = RunOptions()
    options.once = true
    options.ingests = false
    options.only = Set(chosen.map(\.definition.name))
    _ = try project.run(options, observer: QuietObserver(), until: { false })
  }

  /// Until none of them is open, or for `Limits.redriveTime`.
  private func wait(_ chosen: [Chosen]) throws(Diagnostic) {
    let deadline = project.clock.monotonic + Limits.redriveTime
    while project.clock.monotonic < deadline {
      let seen = progressed.count
      var isDone = true
      for one in chosen where isDone {
        isDone = try now(one).values.allSatisfy { !$0.status.isOpen }
      }
      if isDone { return }
      progressed.wait(past: seen, for: .milliseconds(200))
    }
  }

  /// The chosen ones by number, as the ledger has them now.
  private func now(_ chosen: Chosen) throws(Diagnostic) -> [UInt64: LedgerEffect] {
    try HandlerSurvey(project).ledger(chosen.definition) { reader throws(StoreError) in
      var now: [UInt64: LedgerEffect] = [:]
      for effect in chosen.effects { now[effect.sequence] = try reader.effect(effect.sequence) }
      return now
    } ?? [:]
  }

  private func tell(_ chosen: Chosen, _ sink: any RowSink) throws(Diagnostic) {
    let now = try now(chosen)
    for effect in chosen.effects {
      // What is done may have been forgotten by now.
      let status = now[effect.sequence]?.status ?? .done
      let row = RowBuffer()
      row.append(text: effect.key)
      row.append(text: chosen.definition.name)
      row.append(text: status.isOpen ? "retrying" : status.word)
      row.append(text: now[effect.sequence]?.error ?? "")
      try sink.row(row)
    }
  }
}
