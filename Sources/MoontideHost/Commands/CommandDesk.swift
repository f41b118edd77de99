import MoontideCore
import MoontideJSON
import MoontideRuntime
import Synchronization

/// Takes commands to their deciders and waits for what they decide: to the threads of a run, or, where
/// nothing runs, to a worker of its own. Any thread whose stack has 2 MiB.
final class CommandDesk: Sendable {
  private let project: MoontideProject
  /// The handlers at work; nil when nothing runs.
  private let running: RunningGroups?
  /// Parsers that nobody uses now: each has buffers that are worth keeping.
  private let parsers = Mutex<[Parser]>([])

  init(project: MoontideProject, running: RunningGroups?) {
    self.project = project
    self.running = running
  }

  func send(_ request: SendRequest) throws(Diagnostic) -> SendOutcome {
    var command = try parse(request.line)
    command.expectedVersion = request.expectedVersion
    let ticket = Ticket()
    var told: [SendOutcome.Told] = []
    let asked = CommandInbox.Asked(command) { ticket.answer($0) }
    // By the command, not by a name: an edit may have renamed the decider a moment ago.
    if let group = running?.decider(ofCommand: command.type) {
      group.send(asked)
    } else {
      guard let decider = project.catalog.decider(ofCommand: command.type) else {
        throw CommandInbox.untaken(command.type)
      }
      guard running == nil else {
        throw Diagnostic(
          .noSuchHandler, "the run goes on without the decider \(decider.name)",
          help: "it was started with --only: start it with --only \(decider.name) too")
      }
      told = try decideHere(decider, asked)
    }
    switch ticket.wait(request.timeout) {
    case .decided(let outcome, let explanation)?:
      var outcome = SendOutcome(outcome, explanation, id: command.id, explain: request.explain)
      outcome.told = told
      return outcome
    case .refused(let problem)?: throw problem
    case nil:
      throw Diagnostic(
        code: RuntimeCode.decisionLate.rawValue,
        "the decider of \(command.type) has not come to the command yet",
        details: [
          .init(
            "help",
            "send it again under the same id, \(String(decoding: command.id, as: UTF8.self)): it has one "
              + "outcome, however often it is sent")
        ])
    }
  }

  private func parse(_ line: [UInt8]) throws(Diagnostic) -> Command {
    let parser = parsers.withLock { $0.popLast() } ?? Parser()
    defer { parsers.withLock { if $0.count < Limits.controlConnectionsMax { $0.append(parser) } } }
    do throws(EnvelopeFault) {
      return try parser.command(line, catalog: project.catalog)
    } catch {
      throw Diagnostic(
        code: error.code, error.reason,
        details: [
          .init("state", "nothing was decided and nothing was written"),
          .init("help", "moontide explain \(error.code)"),
        ])
    }
  }

  /// Of one thread at a time: `@unchecked Sendable` because the pool's lock hands it from one to the next.
  private final class Parser: @unchecked Sendable {
    private let envelope = EnvelopeParser()
    private let batch = DraftBatch()
    private var padded: [UInt8] = []

    func command(_ line: [UInt8], catalog: ProjectCatalog) throws(EnvelopeFault) -> Command {
      batch.removeAll()
      padded.removeAll(keepingCapacity: true)
      padded.append(contentsOf: line)
      padded.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
      try envelope.parse(padded, ByteRange(start: 0, count: line.count), topic: TopicID(0), into: batch)
      try Command.complete(batch, catalog: catalog)
      return Command(batch.drafts[0], in: batch)
    }
  }

  /// Nothing runs: this thread is the decider's for the moment. Returns what the script said meanwhile.
  private func decideHere(
    _ decider: DeciderDefinition, _ asked: CommandInbox.Asked
  ) throws(Diagnostic) -> [SendOutcome.Told] {
    let told = Mutex<[SendOutcome.Told]>([])
    @Sendable func add(_ one: SendOutcome.Told) {
      told.withLock { if $0.count < Limits.inboxItemsMax { $0.append(one) } }
    }
    let surroundings = HandlerSurroundings(
      clock: project.clock, randomness: project.randomness, report: { add(.problem($0)) },
      print: { decider, command, text in add(.printed("\(decider) \(command): \(text)")) })
    let kept = KeptScripts(project)
    // Where nothing was at work yet, what the first run begins with is recorded by that.
    if try kept.last() != nil {
      try kept.begin(
        project.loaded, only: [decider.name], archive: HandlerArchive(project), clock: project.clock,
        randomness: project.randomness)
    }
    let inbox = CommandInbox()
    inbox.put(asked)
    let worker = try DeciderGroup.worker(
      decider, project, project.catalog, inbox: inbox, surroundings: surroundings, board: DeciderBoard())
    _ = worker.step()
    worker.settle()
    inbox.close()
    return told.withLock { $0 }
  }

  /// Where a reply is put and waited for.
  private final class Ticket: Sendable {
    private let bell = Bell()
    private let reply = Mutex<CommandReply?>(nil)

    func answer(_ reply: CommandReply) {
      self.reply.withLock { $0 = reply }
      bell.ring()
    }

    func wait(_ timeout: Duration) -> CommandReply? {
      bell.wait(past: 0, for: timeout)
      return reply.withLock { $0 }
    }
  }
}
