import MoontideCore
import MoontideHost
import MoontideRuntime

/// Who decides about dead letters, as `moontide dead` has it: a record in the log, which the handlers then
/// carry out.
final class Person {
  private let numbers: SeededNumbers
  private let world: OutsideWorld
  /// Decisions that were told to be in the log, and how often.
  private var acknowledged: [String: Int] = [:]

  init(_ world: OutsideWorld, _ numbers: SeededNumbers) {
    self.world = world
    self.numbers = numbers
  }

  /// Something about some of the letters of one handler.
  func decide(_ handler: String, _ letters: [Position], _ life: ProcessLife, _ records: [LogWitness.Seen])
    throws(Diagnostic)
  {
    let some = letters.filter { _ in numbers.chance(0.7) }
    let chosen = some.isEmpty ? [numbers.pick(letters)] : some
    let dice = numbers.below(4)
    if dice == 0 { return try write([Decision(.skip, chosen)], handler, life) }
    // What nobody has looked at yet cannot be corrected.
    if dice == 1, chosen[0].value < records.count,
      let event = world.events[records[Int(chosen[0].value)].data]
    {
      let data = Array(world.correct(event).utf8)
      return try write([Decision(.correct, [chosen[0]], data: data)], handler, life)
    }
    try write([Decision(.retry, chosen)], handler, life)
  }

  /// All of them again.
  func retry(_ handler: String, _ letters: [Position], _ life: ProcessLife) throws(Diagnostic) {
    if !letters.isEmpty { try write([Decision(.retry, letters)], handler, life) }
  }

  private func write(_ decisions: [Decision], _ handler: String, _ life: ProcessLife) throws(Diagnostic) {
    let writer = DecisionWriter(log: life.seam, randomness: numbers)
    let end = try writer.write(decisions.map { (handler, $0) })
    guard life.seam.durableEnd >= end else { return }
    for decision in decisions {
      acknowledged[
        text(handler, decision.action.rawValue, decision.positions.map(\.value)), default: 0] += 1
    }
  }

  private func text(_ handler: String, _ action: String, _ positions: [UInt64]) -> String {
    "\(action) of \(handler) about \(positions)"
  }

  /// Decisions that were acknowledged and are not there.
  func violations(_ records: [LogWitness.Seen]) -> [String] {
    var there: [String: Int] = [:]
    for record in records {
      guard let note = DecisionNote(record) else { continue }
      there[text(note.handler, note.action, note.positions), default: 0] += 1
    }
    return acknowledged.keys.sorted().filter { there[$0] ?? 0 < acknowledged[$0]! }.map {
      "I1: the decision \($0) was acknowledged and is not in the log"
    }
  }
}
