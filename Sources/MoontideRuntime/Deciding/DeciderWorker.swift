public import MoontideCore
import MoontideLua

/// Drives one decider: commands that are asked for by somebody who waits, and those of the log that have no
/// outcome yet, in order of position. Decisions of one step become durable with one flush, then they are
/// answered. Create it on the thread that steps it, with a stack of 2 MiB or more.
public final class DeciderWorker: Worker {
  public let board: DeciderBoard
  private let decider: Decider
  private let definition: DeciderDefinition
  private let log: any EventLog
  private let inbox: CommandInbox
  private let surroundings: HandlerSurroundings
  private let batch = RecordBatch()
  private var status = DeciderStatus()

  /// - Parameters:
  ///   - snapshots: of this decider alone; used on this thread.
  ///   - partitions: how many a topic gets when it is new; nil: the default.
  /// - Throws: what a person must mend before the decider can run.
  public init(
    _ definition: DeciderDefinition, catalog: ProjectCatalog, log: any EventLog,
    snapshots: any SnapshotStore, inbox: CommandInbox, surroundings: HandlerSurroundings,
    board: DeciderBoard, partitions: @escaping @Sendable (TopicName) -> UInt16?
  ) throws(Diagnostic) {
    self.definition = definition
    self.log = log
    self.inbox = inbox
    self.surroundings = surroundings
    self.board = board
    do throws(LuaFault) {
      decider = try Decider(
        definition, catalog: catalog, log: log, snapshots: snapshots, surroundings: surroundings,
        partitions: partitions)
    } catch {
      throw FaultReport.loading(error, path: definition.path, scripts: catalog.scripts)
    }
    do throws(WorkerStop) { status.position = try decider.reached() } catch { throw error.diagnostic }
    board.publish(status)
  }

  public func step() -> StepOutcome {
    if status.halted != nil { return .finished }
    defer { board.publish(status) }
    let until = surroundings.clock.monotonic + Limits.batchTimeMax
    let asked = inbox.take(Limits.commandsPerFlushMax)
    var answers: [CommandReply] = []
    var stop: WorkerStop?
    do throws(WorkerStop) {
      for one in asked where answers.isEmpty || surroundings.clock.monotonic < until {
        answers.append(try reply(to: one.command, isLogged: false))
      }
    } catch {
      stop = error
    }
    let rest = asked[answers.count...]
    // What was decided before the one that stopped is in the log, and is answered by what the log says.
    do throws(WorkerStop) { try flush() } catch { return stopped(error, asked[...]) }
    for (one, answer) in zip(asked, answers) { one.answer(answer) }
    if let stop { return stopped(stop, rest) }
    inbox.putBack(rest)
    do throws(WorkerStop) {
      let hasMoved = try advance(until: until)
      status.waiting = nil
      return !asked.isEmpty || hasMoved ? .progressed : .idle(for: Limits.idlePause)
    } catch {
      return stopped(error, [])
    }
  }

  /// Writes down how far commands have been looked through, so that the next opening need not look again.
  public func settle() { decider.settle(reached: status.position) }

  private func reply(to command: Command, isLogged: Bool) throws(WorkerStop) -> CommandReply {
    // Sent when another version of the script was at work.
    guard definition.commands.contains(command.type) else {
      return .refused(CommandInbox.untaken(command.type))
    }
    switch try decider.decide(command, isLogged: isLogged) {
    case .outcome(let outcome, let explanation):
      if !explanation.isRepeat { count(outcome) }
      return .decided(outcome, explanation)
    case .refused(let problem): return .refused(problem)
    }
  }

  private func count(_ outcome: CommandOutcome) {
    switch outcome.verdict {
    case .accepted: status.accepted += 1
    case .rejected: status.rejected += 1
    case .failed: status.failed += 1
    }
  }

  /// Decides commands of the log, up to a flush's worth of them, and goes on to behind them once the
  /// decisions are durable; whether there were any to look at.
  private func advance(until: Duration) throws(WorkerStop) -> Bool {
    let end = log.durableEnd
    // What it wrote itself holds no command without its outcome.
    if let own = decider.own, own.contains(status.position) { status.position = min(own.upperBound, end) }
    guard status.position < end else { return false }
    var next = status.position
    do throws(LogError) {
      next = try log.read(
        from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
    } catch {
      throw .log(error, handler: "decider \(definition.name)")
    }
    var decided = 0
    let answered = Self.answered(in: batch)
    for record in batch.records where record.envelope.kind == .command {
      guard definition.commands.contains(batch.bytes.text(record.envelope.type)),
        !answered.contains(Command.Identity(record, in: batch))
      else { continue }
      if decided == Limits.commandsPerFlushMax || decided > 0 && surroundings.clock.monotonic >= until {
        next = record.position
        break
      }
      if case .refused(let problem) = try reply(to: Command(record, in: batch), isLogged: true) {
        // Its own body under its own identity: only a stream that never rests refuses it. Later again.
        surroundings.report(problem)
        next = record.position
        break
      }
      decided += 1
    }
    try flush()
    defer { status.position = next }
    return next > status.position
  }

  /// Whose outcome is among the records: most commands have theirs beside them, which saves looking it up.
  private static func answered(in batch: RecordBatch) -> Set<Command.Identity> {
    var answered: Set<Command.Identity> = []
    for record in batch.records where record.envelope.kind == .outcome {
      answered.insert(Command.Identity(record, in: batch))
    }
    return answered
  }

  private func flush() throws(WorkerStop) {
    guard decider.needsFlush else { return }
    do throws(LogError) { try log.flush() } catch {
      decider.forget()
      throw .log(error, handler: "decider \(definition.name)")
    }
    CrashPoint.reach(.beforeAnswer)
    decider.flushed(reached: status.position)
  }

  /// Who was not come to is told; what is in the log without an outcome is decided later.
  private func stopped(_ stop: WorkerStop, _ asked: ArraySlice<CommandInbox.Asked>) -> StepOutcome {
    decider.forget()
    switch stop {
    case .wait(let diagnostic):
      for one in asked { one.answer(.refused(diagnostic)) }
      if status.waiting == nil { surroundings.report(diagnostic) }
      status.waiting = diagnostic
      return .idle(for: Limits.fullDiskPause)
    case .halt(let diagnostic):
      for one in asked { one.answer(.refused(diagnostic)) }
      status.halted = diagnostic
      surroundings.report(diagnostic)
      inbox.close(because: diagnostic)
      return .finished
    }
  }
}
