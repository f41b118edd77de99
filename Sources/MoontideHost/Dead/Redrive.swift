import MoontideCore
import MoontideJSON
import MoontideRuntime

/// Deals with dead letters as a person asks: writes the decisions, has the handlers carry them out, says what
/// became of each. Beside a run the run's own workers do it; else the handlers concerned run here, to their
/// end.
struct Redrive {
  let project: MoontideProject
  /// The handlers at work; nil when nothing runs.
  let running: RunningGroups?
  let bell: Bell
  let progressed: Bell

  func run(_ request: DeadRequest, to sink: any RowSink) throws(Diagnostic) {
    if let broken = project.warnings.first(where: { $0.severity == .error }) { throw broken }
    let selection = try DeadSelection(request.names, survey: HandlerSurvey(project), log: project.log)
    try check(request, selection)
    let answer = DeadAnswer(sink)
    try answer.begin()
    if request.rehearses {
      for letters in selection.handlers {
        try Rehearsal(project: project, answer: answer).run(request.decisions(letters), letters)
      }
      return try LineRetry(project: project, bell: bell).rehearse(selection.lines, request, to: answer)
    }
    let end = try DecisionWriter(log: project.log, randomness: project.randomness).write(
      selection.handlers.flatMap { letters in
        request.decisions(letters).map { (letters.definition.identityName, $0) }
      })
    bell.ring()
    let revived = try carryOut(selection.handlers, upTo: end)
    for letters in selection.handlers {
      try tell(letters, request, isRevived: revived.contains(letters.definition.name), to: answer)
    }
    try LineRetry(project: project, bell: bell).run(selection.lines, request, to: answer)
  }

  private func check(_ request: DeadRequest, _ selection: DeadSelection) throws(Diagnostic) {
    guard request.action == .correct else { return }
    let events = Set(selection.handlers.flatMap(\.positions))
    guard events.count + selection.lines.count == 1 else {
      throw Diagnostic(.cannotRetry, "a correction is for one event or line, not for \(request.names)")
    }
    if events.isEmpty { return }
    do throws(EnvelopeFault) {
      guard case .object = try JSONValue(parsing: request.data) else {
        throw EnvelopeFault(.kind, "the data of an event is a JSON object")
      }
    } catch {
      throw Diagnostic(
        code: error.code, error.reason, details: [.init("help", "moontide explain \(error.code)")])
    }
  }

  /// Returns the handlers that had stopped and were started again.
  private func carryOut(
    _ handlers: [DeadSelection.Letters], upTo end: Position
  ) throws(Diagnostic) -> Set<String> {
    if handlers.isEmpty { return [] }
    guard let running else {
      try runToEnd(handlers)
      return []
    }
    var revived: Set<String> = []
    let desk = RebuildDesk(project: project, running: running, progressed: progressed)
    for letters in handlers {
      if try running.revive(letters.definition.name) {
        revived.insert(letters.definition.name)
      } else if letters.definition.kind == .projection {
        _ = try desk.follow(letters.definition)
      }
    }
    let deadline = project.clock.monotonic + Limits.redriveTime
    while project.clock.monotonic < deadline {
      let seen = progressed.count
      var isDone = true
      for letters in handlers where isDone { isDone = try isThrough(letters, end, running.all) }
      if isDone { return revived }
      progressed.wait(past: seen, for: .milliseconds(200))
    }
    return revived
  }

  /// Nothing runs: the handlers concerned do, to their end.
  private func runToEnd(_ handlers: [DeadSelection.Letters]) throws(Diagnostic) {
    var options = RunOptions()
    options.once = true
    options.ingests = false
    options.only = Set(handlers.map(\.definition.name))
    do throws(Diagnostic) {
      _ = try project.run(options, observer: QuietObserver(), until: { false })
    } catch {
      // One that stops again at what fails is told with its letter.
      let survey = HandlerSurvey(project)
      for letters in handlers where letters.definition.exhausted == .halt {
        if try survey.entry(letters.definition)?.ledger.deadLetters ?? 0 > 0 { return }
      }
      throw error
    }
  }

  /// Whether a running consumer has tried what it was asked to, or a read model follows it.
  private func isThrough(
    _ letters: DeadSelection.Letters, _ end: Position, _ groups: [HandlerGroup]
  ) throws(Diagnostic) -> Bool {
    guard let group = groups.first(where: { $0.definition.name == letters.definition.name }) else {
      return true
    }
    if group.halted != nil || group.failedRebuild != nil { return true }
    if group.definition.kind == .projection {
      guard !group.isRebuilding, let entry = try HandlerSurvey(project).entry(letters.definition) else {
        return false
      }
      return try !HandlerSurvey(project).isToBeRebuilt(entry, letters.definition)
    }
    guard group.position >= end, let entry = try HandlerSurvey(project).entry(letters.definition) else {
      return false
    }
    let retrying = Set(entry.ledger.parked.filter { $0.status == .retrying }.map(\.position))
    return letters.positions.allSatisfy { !retrying.contains($0) }
  }

  private func tell(
    _ letters: DeadSelection.Letters, _ request: DeadRequest, isRevived: Bool, to answer: DeadAnswer
  ) throws(Diagnostic) {
    let survey = HandlerSurvey(project)
    guard let entry = try survey.entry(letters.definition) else { return }
    let isLater = try survey.isToBeRebuilt(entry, letters.definition) && !(entry.isOfRebuild && !isRevived)
    let dead = Dictionary(
      entry.deadLetters.map { ($0.position, $0) }, uniquingKeysWith: { first, _ in first })
    let retrying = Set(entry.ledger.parked.filter { $0.status == .retrying }.map(\.position))
    let held = Set(entry.ledger.parked.flatMap(\.held))
    for letter in letters.letters {
      let position = letter.position
      let result: String
      var detail = ""
      if isLater {
        (result, detail) = later(letters.definition.name, isRevived: isRevived)
      } else if let now = dead[position] {
        result = now.code == RuntimeCode.outboxConflict.rawValue ? "refused" : "dead"
        detail = now.message
      } else if retrying.contains(position) {
        result = "retrying"
      } else if held.contains(position) {
        result = "waits"
      } else {
        result = request.action == .skip ? "skipped" : "applied"
        if isRevived { detail = "\(letters.definition.name) had stopped: it is started again" }
        if let count = letters.held[position], count > 0 {
          detail = "\(Counted.text(count, "event")) behind it \(count == 1 ? "goes" : "go") on"
        }
      }
      try answer.add("d-\(position.value)", letters.definition.name, result, detail)
    }
  }
}

extension Redrive {
  /// What is told of a read model that does not follow the decision yet.
  private func later(_ name: String, isRevived: Bool) -> (result: String, detail: String) {
    guard let group = running?.group(.projection, name) else {
      return ("to be rebuilt", "the next start of run rebuilds \(name) beside and swaps it")
    }
    if let failure = group.failedRebuild ?? group.halted { return ("to be rebuilt", failure.title) }
    let begun = isRevived ? "\(name) had stopped: it is started again, and" : "\(name) is"
    let place = group.rebuild.map { " (\($0.position) of \($0.end))" } ?? ""
    return ("rebuilding", "\(begun) rebuilt beside now\(place); moontide handlers shows when it serves")
  }
}

/// The rows of an answer.
final class DeadAnswer {
  private let sink: any RowSink

  init(_ sink: any RowSink) { self.sink = sink }

  func begin() throws(Diagnostic) { try sink.columns(DeadRequest.columns) }

  func add(_ id: String, _ handler: String, _ result: String, _ detail: String) throws(Diagnostic) {
    let row = RowBuffer()
    for text in [id, handler, result, detail] { row.append(text: text) }
    try sink.row(row)
  }
}

extension DeadRequest {
  /// The decisions about letters of one handler.
  func decisions(_ letters: DeadSelection.Letters) -> [Decision] {
    let decided: Decision.Action =
      switch action {
      case .retry: .retry
      case .skip: .skip
      case .correct: .correct
      }
    return DecisionWriter.split(
      decided, letters.positions, reason: reason, data: action == .correct ? data : [])
  }
}
