import MoontideCore

/// Looks at the log and at all stores of a process, and says what is wrong. It remembers what it saw in
/// earlier lives.
final class Lookout {
  let witness = LogWitness()
  private let world: OutsideWorld
  private let person: Person
  private let bank: Bank
  private let commands: CommandOracle
  /// The furthest checkpoints of handlers that must not go back.
  private var furthest: [String: [TopicPartition: Position]] = [:]
  /// The script and decisions that a read model follows: another one begins anew.
  private var followed: [String: String] = [:]
  /// Whether a life with mended consumers has been.
  var wasMended = false
  private var found: [String] = []

  private static let consumers: Set<String> = ["receipts", "gate", "clerk"]

  init(world: OutsideWorld, person: Person, bank: Bank) {
    self.world = world
    self.person = person
    self.bank = bank
    commands = CommandOracle(bank)
  }

  /// Scripts were edited: read models begin anew, even where the life before never came up.
  func forgetEdited() {
    for name in ["totals", "till"] { furthest[name] = nil }
  }

  /// A read model may go back, with its checkpoint, when the system lost what was not synced.
  func forgetDerived() { furthest = furthest.filter { Self.consumers.contains($0.key) } }

  /// - Parameter again: reads the whole log, as after a restart.
  func look(at life: ProcessLife, again: Bool) -> [String] {
    found = []
    do throws(LogError) {
      if again { try witness.readAgain(life.seam) } else { try witness.readOn(life.seam) }
    } catch { found.append("I1: the log cannot be read: \(error)") }
    found += witness.violations
    found += LogOracle(world: world, records: witness.records).promised()
    found += person.violations(witness.records)
    commands.read(witness.records)
    found += commands.violations + bank.violations
    for handler in life.handlers { look(at: handler, life) }
    return found
  }

  private func look(at handler: HandlerLife, _ life: ProcessLife) {
    do throws(StoreError) {
      guard let evidence = try handler.evidence(witness.records) else { return }
      found += HandlerOracle(evidence, world: world, wasMended: wasMended)
        .violations(durableEnd: life.log.durableEnd)
      let name = handler.definition.name
      let follows = "\(evidence.scriptVersion) \(evidence.ledger.decided)"
      if follows != followed[name] { furthest[name] = nil }
      followed[name] = follows
      for (place, position) in furthest[name] ?? [:]
      where evidence.ledger.checkpoints[place] ?? .start < position {
        found.append("I6: \(name) was at \(position) of \(place.topic)/\(place.partition) and went back")
      }
      furthest[name] = evidence.ledger.checkpoints
    } catch { found.append("the store of \(handler.definition.name) cannot be read: \(error)") }
  }

  /// What must hold besides once everything is at rest, after a look.
  /// - Parameter isMended: every script is mended, and everything was tried again.
  func lookAtRest(_ life: ProcessLife, isMended: Bool) -> [String] {
    found = LogOracle(world: world, records: witness.records).complete(commands)
    for handler in life.handlers {
      do throws(StoreError) {
        guard let evidence = try handler.evidence(witness.records) else { continue }
        let oracle = HandlerOracle(evidence, world: world, wasMended: wasMended)
        found += oracle.unfinished()
        if isMended { found += oracle.unmended() }
        found += outdated(handler, evidence, life)
      } catch { found.append("the store of \(handler.definition.name) cannot be read: \(error)") }
    }
    return found
  }

  /// At rest a read model is that of today's script and of the decisions that were there at the start.
  private func outdated(_ handler: HandlerLife, _ evidence: HandlerEvidence, _ life: ProcessLife) -> [String]
  {
    guard handler.definition.kind == .projection else { return [] }
    let decided = evidence.decisions.count { $0.place < life.bornAt.value }
    let isNew = evidence.scriptVersion == handler.definition.scriptVersion
    if isNew, !handler.isRebuilding, evidence.ledger.decided >= decided { return [] }
    return [
      "I10: \(evidence.name) is not rebuilt: it follows \(evidence.ledger.decided) of \(decided) decisions, "
        + "script \(evidence.scriptVersion)"
    ]
  }
}
