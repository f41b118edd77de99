import MoontideCore
import MoontideJSON
import MoontideRuntime

/// Who writes commands to files, sends them and sends them again, and writes to the streams of accounts past
/// all deciders; with a note of every answer. Like `OutsideWorld` it is not on the process's side.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class Bank: @unchecked Sendable {
  enum LineKind {
    /// A command, or an event of an account: id and data.
    case good(id: String, data: String)
    case bad
  }
  struct SourceText {
    let path: String
    var inode: UInt64 = 0
    var bytes: UInt64 = 0
    var lines: [(offset: UInt64, kind: LineKind)] = []
  }

  private let disk: SimulatedDisk
  private let numbers: SeededNumbers
  private(set) var commandFile = SourceText(path: "p/commands/c.jsonl")
  private(set) var eventFile = SourceText(path: "p/events/accounts/e.jsonl")
  /// Bodies of commands by id: several where an id was used for another command.
  private(set) var commands: [String: [BankCommand]] = [:]
  /// Events of others, by their data.
  private(set) var events: [String: AccountEvent] = [:]
  /// Those that were told to be durable.
  private(set) var acknowledged: [String] = []
  /// What senders were told, by the command's id.
  private(set) var answers: [String: CommandOutcome] = [:]
  private(set) var violations: [String] = []
  /// Whether the process met something by which a command may be refused.
  var mayRefuse: () -> Bool = { false }
  /// To be sent until there is an answer, in the order of their first sending.
  private var unanswered: [BankCommand] = []
  /// Sent in this life of the process.
  private var underWay: Set<String> = []
  private var known: [BankCommand] = []
  private var count = 0

  init(_ disk: SimulatedDisk, _ numbers: SeededNumbers) {
    self.disk = disk
    self.numbers = numbers
  }

  private func fresh(_ id: String? = nil) -> BankCommand {
    count += 1
    let command = BankCommand(id: id ?? "b-\(count)", sequence: count, numbers)
    commands[command.id, default: []].append(command)
    known.append(command)
    return command
  }

  /// One that was sent or written before.
  private func old() -> BankCommand? {
    let some = known.suffix(40)
    return some.isEmpty ? nil : numbers.pick(Array(some))
  }

  private func foreign() -> AccountEvent {
    count += 1
    let event = AccountEvent(id: "x-\(count)", sequence: count, numbers)
    events[event.data] = event
    return event
  }

  // MARK: Files

  /// Appends some lines to one of the files.
  func write() {
    for _ in 0..<1 + numbers.below(3) {
      if numbers.chance(0.3) {
        let event = foreign()
        put(event.line, .good(id: event.id, data: event.data), &eventFile)
      } else {
        writeCommand()
      }
    }
  }

  private func writeCommand() {
    let dice = numbers.below(12)
    if dice == 0 {
      let line = numbers.pick([
        "{\"id\":\"w\",\"type\":\"Fly\",\"data\":{}}", "{\"id\":\"w\",\"type\":\"Sweep\",\"data\":{}}",
        "no json",
      ])
      return put(line, .bad, &commandFile)
    }
    var command: BankCommand
    if dice < 4, let other = old() {
      command = dice == 3 ? fresh(other.id) : other
    } else {
      command = fresh()
    }
    // A file asks for no version.
    guard !commands[command.id]!.contains(where: { $0.expected != nil }) else { return }
    command.expected = nil
    put(command.line, .good(id: command.id, data: command.data), &commandFile)
  }

  private func put(_ line: String, _ kind: LineKind, _ source: inout SourceText) {
    let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
    source.inode = disk.append(bytes, to: source.path)
    source.lines.append((source.bytes, kind))
    source.bytes += UInt64(bytes.count)
  }

  // MARK: Others

  /// Publishes an event into a stream as a client does, maybe without waiting until it is durable.
  func publish(to log: any EventLog) throws(LogError) {
    let topic = try log.topic(TopicName("accounts")!, partitions: nil).id
    let event = foreign()
    let drafts = DraftBatch()
    drafts.add(event, topic)
    guard case .written(let written) = try log.append(AppendRequest(batch: drafts)) else { return }
    if numbers.chance(0.5) { return }
    try log.flush()
    if log.durableEnd >= written.durableWhen { acknowledged.append(event.id) }
  }

  // MARK: Senders

  /// Some commands on their way at once, of several senders: new ones, and old ones again.
  func send(to life: ProcessLife) {
    for _ in 0..<1 + numbers.below(4) {
      let dice = numbers.below(10)
      if dice < 2, !unanswered.isEmpty {
        ask(numbers.pick(unanswered), life)
      } else if dice < 4, let other = old() {
        ask(dice == 3 && numbers.chance(0.4) ? fresh(other.id) : other, life)
      } else {
        ask(fresh(), life)
      }
    }
  }

  /// Sends everything again that has no answer; false when there is nothing.
  func sendAgain(to life: ProcessLife) -> Bool {
    let left = unanswered.filter { !underWay.contains($0.data) }
    for command in left { ask(command, life) }
    return !left.isEmpty
  }

  private func ask(_ command: BankCommand, _ life: ProcessLife) {
    if !unanswered.contains(where: { $0.data == command.data }) { unanswered.append(command) }
    underWay.insert(command.data)
    let log = life.log
    life.decider.send(parse(command, life)) { [self] reply in take(reply, of: command, log) }
  }

  private func parse(_ command: BankCommand, _ life: ProcessLife) -> Command {
    let batch = DraftBatch()
    let line = Array(command.line.utf8)
    do throws(EnvelopeFault) {
      try EnvelopeParser().parse(
        line + Array(repeating: 0, count: Limits.parserPaddingBytes),
        ByteRange(start: 0, count: line.count), topic: TopicID(0), into: batch)
      try Command.complete(batch, catalog: life.catalog)
    } catch { preconditionFailure("no command: \(command.line): \(error)") }
    var parsed = Command(batch.drafts[0], in: batch)
    parsed.expectedVersion = command.expected
    return parsed
  }

  /// An answer is a promise: durable, and the same for ever.
  private func take(_ reply: CommandReply, of command: BankCommand, _ log: any EventLog) {
    underWay.remove(command.data)
    switch reply {
    case .decided(let outcome, let explanation):
      unanswered.removeAll { $0.data == command.data }
      if outcome.position >= log.durableEnd {
        violations.append(
          "I1: \(command.id) was answered by the outcome at \(outcome.position), which is not durable")
      }
      let first = answers[command.id]
      if let first, first != outcome {
        violations.append("a resend of \(command.id) was answered by \(outcome), before that by \(first)")
      }
      if first != nil, explanation?.isRepeat != true {
        violations.append("\(command.id) was decided twice")
      }
      answers[command.id] = outcome
    case .refused(let problem):
      if problem.code == RuntimeCode.commandConflict.rawValue {
        unanswered.removeAll { $0.data == command.data }
        if commands[command.id]!.count < 2 {
          violations.append("\(command.id) is told to be another command")
        }
      } else if problem.code != RuntimeCode.deciderEnded.rawValue, !mayRefuse() {
        violations.append("\(command.id) was refused without a fault: \(problem.title)")
      }
    }
  }

  /// The process is gone: what was under way gets no answer.
  func forgetUnderWay() { underWay = [] }
}

extension DraftBatch {
  fileprivate func add(_ event: AccountEvent, _ topic: TopicID) {
    var envelope = Envelope(given: [.key, .version], version: UInt32(event.version))
    envelope.id = bytes.appendPart(event.id)
    envelope.type = bytes.appendPart(event.type)
    envelope.key = bytes.appendPart(event.key)
    envelope.data = bytes.appendPart(event.data)
    let body = BodyDigest.digest(of: envelope, in: bytes, data: envelope.data, in: bytes)
    drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }
}
