import MoontideCore
import MoontideRuntime

/// Judges commands, outcomes and the streams of accounts from the log alone: each command has one outcome,
/// each decision lies whole in the log and was right for the version that it says, and every answer that
/// was given is the outcome that is there. Keeps what it has read.
final class CommandOracle {
  private let bank: Bank
  private var fold = AccountFold()
  private var next = 0
  private(set) var violations: [String] = []
  /// By source and id.
  private var commands: [String: LogWitness.Seen] = [:]
  private var undecided: Set<String> = []
  private var outcomes: [String: LogWitness.Seen] = [:]
  /// Events of a decision whose outcome must come next, with the account before the first of them.
  private var open: [LogWitness.Seen] = []
  private var before = AccountFold.Account()
  /// Ids of events that scripts named themselves.
  private var seals: Set<String> = []
  private var foreign: [String: LogWitness.Seen] = [:]

  private static let decider = "account"

  init(_ bank: Bank) { self.bank = bank }

  private func complain(_ text: String) { violations.append(text) }

  /// Reads on.
  func read(_ records: [LogWitness.Seen]) {
    while next < records.count {
      take(records[next])
      next += 1
    }
    if !open.isEmpty { complain("I1: a decision has no outcome behind it: \(open)") }
    compareAnswers()
  }

  private func take(_ record: LogWitness.Seen) {
    let identity = "\(record.source) \(record.id)"
    if !open.isEmpty, record.kind != .outcome, record.source != Self.decider {
      complain("I1: \(record) lies within a decision")
    }
    switch record.kind {
    case .command:
      commands[identity] = record
      undecided.insert(identity)
    case .outcome:
      judge(record, identity)
      outcomes[identity] = record
      undecided.remove(identity)
      open = []
    case .event where record.topic == "accounts":
      if record.source == Self.decider {
        if open.isEmpty { before = fold[record.key] }
        open.append(record)
      } else {
        takeForeign(record)
      }
      fold.apply(record)
      if fold[record.key].balance < 0 { complain("the balance of \(record.key) is below zero at \(record)") }
    default: break
    }
  }

  private func takeForeign(_ record: LogWitness.Seen) {
    foreign[record.id] = record
    guard let event = bank.events[record.data] else { return complain("I1: nobody wrote \(record)") }
    if event.id != record.id || event.type != record.type || event.key != record.key
      || event.version != Int(record.version)
    {
      complain("I1: \(event) became \(record)")
    }
  }

  // MARK: One decision

  private func judge(_ outcome: LogWitness.Seen, _ identity: String) {
    guard let command = commands[identity] else {
      return complain("I1: no command has the outcome \(outcome)")
    }
    let data = MemberText(outcome.data)
    let shown = "\(command.type) \(command.data) got \(outcome.type) \(outcome.data) at #\(outcome.position)"
    if command.key != outcome.key { complain("\(shown), of the stream \(outcome.key)") }
    let account = open.isEmpty ? fold[command.key] : before
    if open.contains(where: { $0.key != command.key }) { complain("\(shown) and wrote to \(open)") }
    if data.texts("id") != open.map(\.id) { complain("\(shown), and lies behind \(open.map(\.id))") }
    if data.number("version") != account.version + open.count {
      complain("\(shown), and the stream has \(account.version) + \(open.count) events")
    }
    if outcome.type == "CommandFailed", data.texts("text").first?.contains("worn") == true {
      if !account.isCharged || !open.isEmpty { complain("\(shown) on \(account)") }
      return
    }
    for event in open where event.type != "Stamped" { check(event.data, account, shown) }
    let verdict = "\(outcome.type) \(data.texts("code").first ?? "")"
    let wanted = expected(command, account)
    let isMismatch = verdict == "CommandRejected VERSION_MISMATCH"
    if isMismatch || wanted.isVersionBound {
      if isMismatch != !wanted.versionFits { complain("\(shown) at version \(account.version)") }
    }
    if isMismatch { return }
    if verdict == "CommandRejected NO_FUNDS" || verdict == "CommandRejected NOTHING" {
      check(data.texts("text").first ?? "", account, shown)
    }
    let made = open.map { "\($0.type) \($0.version) \(Self.amounts($0))" }
    if !verdict.hasPrefix(wanted.verdict) || made != wanted.events {
      complain("\(shown) with \(made); right is \(wanted.verdict) \(wanted.events) on \(account)")
    }
    for event in open where event.type == "Stamped" { seals.insert(event.id) }
  }

  /// What a decision says that it was made on.
  private func check(_ text: String, _ account: AccountFold.Account, _ shown: String) {
    let said = MemberText(text)
    guard let count = said.number("n"), let mix = said.number("mix"), let edition = said.number("e"),
      account.mix.indices.contains(edition)
    else { return complain("\(shown) without a word on what it was made on: \(text)") }
    if count != account.count || mix != account.mix[edition] {
      complain("\(shown) on n \(count), mix \(mix) of edition \(edition); the stream is \(account)")
    }
  }

  private static func amounts(_ event: LogWitness.Seen) -> [Int] {
    ["amount", "cents", "tag", "all", "seal"].compactMap { MemberText(event.data).number($0) }
  }

  private struct Expected {
    var verdict: String
    var events: [String] = []
    /// Whether every sending asked for a version, and whether the stream had it.
    var isVersionBound = false
    var versionFits = true
  }

  private func expected(_ command: LogWitness.Seen, _ account: AccountFold.Account) -> Expected {
    var wanted = decided(command, account)
    let known = (bank.commands[command.id] ?? []).first { $0.data == command.data }
    if command.source.isEmpty, let version = known?.expected {
      wanted.isVersionBound = true
      wanted.versionFits = version == account.version
    }
    return wanted
  }

  /// The rules of the script a second time.
  private func decided(_ command: LogWitness.Seen, _ account: AccountFold.Account) -> Expected {
    func number(_ name: String) -> Int { MemberText(command.data).number(name) ?? 0 }
    let balance = account.balance
    switch command.type {
    case "Deposit":
      let amount = number("amount")
      let event = [
        "Deposited 1 [\(amount)]", "Deposited 2 [\(amount * 10)]", "Deposited 3 [\(amount * 10), 3]",
      ]
      return Expected(verdict: "CommandAccepted", events: [event[amount % 3]])
    case "Withdraw":
      let cents = number("cents")
      return cents > balance
        ? Expected(verdict: "CommandRejected NO_FUNDS")
        : Expected(verdict: "CommandAccepted", events: ["Withdrawn 1 [\(cents)]"])
    case "Sweep":
      return Expected(verdict: "CommandAccepted", events: balance == 0 ? [] : ["Swept 1 [\(balance)]"])
    case "Turn":
      return balance == 0
        ? Expected(verdict: "CommandRejected NOTHING")
        : Expected(
          verdict: "CommandAccepted", events: ["Withdrawn 1 [\(balance)]", "Deposited 1 [\(balance / 10)]"])
    case "Stamp":
      let seal = number("seal")
      return seals.contains("seal-\(seal)")
        ? Expected(verdict: "CommandFailed")
        : Expected(verdict: "CommandAccepted", events: ["Stamped 1 [\(seal)]"])
    default: return Expected(verdict: "CommandFailed")
    }
  }

  // MARK: Answers

  private func compareAnswers() {
    for (id, answer) in bank.answers {
      guard let outcome = outcomes[" \(id)"] else {
        complain("I1: \(id) was answered, and has no outcome in the log")
        continue
      }
      let data = MemberText(outcome.data)
      if answer.position.value != outcome.position || answer.verdict.rawValue != outcome.type
        || answer.version != data.number("version") || answer.events.map(\.id) != data.texts("id")
        || answer.code != data.texts("code").first ?? ""
      {
        complain("I1: \(id) was answered by \(answer), the log has \(outcome)")
      }
    }
    for id in bank.acknowledged where foreign[id] == nil {
      complain("I1: the event \(id) was acknowledged and is not in the log")
    }
  }

  // MARK: At rest

  /// Once everything is at rest: every command of the log is decided, and every line is kept.
  /// - Parameter quarantined: how often lines were set aside, by place; those of the bank's files are
  ///   removed.
  func complete(_ quarantined: inout [String: Int]) -> [String] {
    var found = undecided.sorted().map { "I10: the command \($0) has no outcome" }
    for (source, held) in [(bank.commandFile, commands), (bank.eventFile, foreign)] {
      for line in source.lines {
        let shown = "\(source.path) byte \(line.offset)"
        let times = quarantined.removeValue(forKey: "\(source.inode):\(line.offset)") ?? 0
        guard case .good(let id, let data) = line.kind else {
          if times != 1 { found.append("I1: a bad line was quarantined \(times) times: \(shown)") }
          continue
        }
        let record = held[" \(id)"] ?? held[id]
        if record == nil { found.append("I1: \(id) of \(shown) is not in the log") }
        if times != (record?.data == data ? 0 : 1) {
          found.append(
            "I1: \(id) of \(shown) was quarantined \(times) times, the log has \(record?.data ?? "")")
        }
      }
    }
    return found
  }
}
