import MoontideCore
import MoontideRuntime

/// The dead letters and quarantined lines that a request names.
struct DeadSelection {
  /// Those of one handler, by position.
  struct Letters {
    var definition: HandlerDefinition
    var letters: [DeadLetter]
    /// How many events wait behind each.
    var held: [Position: Int]
    var positions: [Position] { letters.map(\.position) }
  }

  var handlers: [Letters] = []
  var lines: [QuarantineReader.Line] = []

  /// Throws `noSuchDeadLetter` for a name that fits nothing. Without names all are meant.
  init(_ names: [String], survey: HandlerSurvey, log: any EventLog) throws(Diagnostic) {
    var used: Set<String> = []
    /// Whether any of these names is asked for.
    func asks(_ candidates: String...) -> Bool {
      let fitting = candidates.filter { names.contains($0) }
      used.formUnion(fitting)
      return names.isEmpty || !fitting.isEmpty
    }
    for entry in try survey.entries() {
      guard let definition = entry.definition else { continue }
      let letters = entry.deadLetters.filter { letter in
        asks(
          definition.name, "d-\(letter.position.value)",
          "d-\(letter.position.value)@\(definition.name)",
          FaultGroup.name(handler: definition.name, letter))
      }
      if letters.isEmpty { continue }
      let held = entry.ledger.parked.map { ($0.position, $0.held.count) }
      handlers.append(
        Letters(
          definition: definition, letters: letters,
          held: Dictionary(held, uniquingKeysWith: { first, _ in first })))
    }
    lines = try QuarantineReader(log: log).lines().filter { asks("ingest", $0.id, $0.fault) }
    if let unknown = names.first(where: { !used.contains($0) }) {
      throw Diagnostic(
        .noSuchDeadLetter, "no dead letter, group or handler with dead letters is called \(unknown)",
        help: "moontide dead ls shows the groups, moontide query \"select id from sys.dead_letters\" the ids")
    }
  }
}
