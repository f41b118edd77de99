import Foundation
import Glibc
import Testing

/// Many senders on few streams, under a rule that holds only if decisions are serial in each stream; the run
/// killed in between. `MOONTIDE_COMMANDS` sets how many commands, `MOONTIDE_COMMAND_KILLS` how many kills.
@Suite struct SendersTests {
  private static let account = """
    decider "account" {
      topic = "accounts", key = "account", snapshot_every = 20,
      initial = function() return { balance = 0 } end,
      decide = {
        Deposit = function(command) return events.Deposited { amount = command.data.amount } end,
        Withdraw = function(command, state)
          if command.data.amount > state.balance then return reject("NO_FUNDS", "it holds " .. state.balance) end
          return events.Withdrawn { amount = command.data.amount }
        end,
      },
      evolve = {
        Deposited = function(state, event) state.balance = state.balance + event.data.amount; return state end,
        Withdrawn = function(state, event) state.balance = state.balance - event.data.amount; return state end,
      },
    }
    """
  private static let senders = 8
  private static let keys = 100

  private static func number(_ name: String, _ fallback: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? fallback
  }

  @Test func `balances never fall below zero, and each command has one outcome, through kills`() throws {
    let count = Self.number("MOONTIDE_COMMANDS", 800)
    let kills = Self.number("MOONTIDE_COMMAND_KILLS", 4)
    let seed = UInt64(Self.number("MOONTIDE_SEED", Int(getpid())))
    var random = SeededGenerator(seed: seed)
    let project = try TestProject()
    try project.write(Self.account, to: "handlers/account.lua")
    var shares: [[String]] = Array(repeating: [], count: Self.senders)
    for index in 0..<count {
      let type = index % 2 == 0 ? "Deposit" : "Withdraw"
      let account = Int.random(in: 0..<Self.keys, using: &random)
      let data = #"{"account":"k-\#(account)","amount":\#(Int.random(in: 1...9, using: &random))}"#
      shares[index % Self.senders].append(#"{"id":"c-\#(index)","type":"\#(type)","data":\#(data)}"#)
    }
    for (index, share) in shares.enumerated() {
      try project.write(share.joined(separator: "\n") + "\n", to: "senders/\(index).jsonl")
    }
    var answers: [String: Set<String>] = [:]
    var left = kills
    var rounds = 0
    // Every sender sends all of its commands in each round; the last round is undisturbed.
    while true {
      rounds += 1
      // That of a run that was killed says nothing of the next one.
      let socket = project.path + "/.moontide/socket"
      if FileManager.default.fileExists(atPath: socket) { try FileManager.default.removeItem(atPath: socket) }
      let run = try LiveRun(["run", project.path, "-q"])
      try LiveRun.wait("the socket") {
        FileManager.default.fileExists(atPath: socket)
      }
      let clients = try (0..<Self.senders).map { try sender($0, project) }
      if left > 0 {
        usleep(UInt32.random(in: 50_000...600_000, using: &random))
        run.signal(SIGKILL)
        left -= 1
      }
      for client in clients { client.waitUntilExit() }
      for index in 0..<Self.senders { try collect(project, index, into: &answers) }
      if left == 0, run.process.isRunning, answers.count == count {
        #expect(run.interrupt() == 0)
        break
      }
      try #require(rounds < kills + 3, "seed \(seed): \(answers.count) of \(count) answered")
    }
    for (id, outcomes) in answers {
      #expect(outcomes.count == 1, "seed \(seed): \(id) was answered \(outcomes)")
    }
    try check(project, answers, seed)
  }

  private func sender(_ index: Int, _ project: TestProject) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    let folder = "\(project.path)/senders/\(index)"
    process.arguments = [
      "-c", "exec \"$0\" -C \"$1\" send - -o csv <\"$2.jsonl\" >\"$2.out\" 2>/dev/null", Binary.url.path,
      project.path, folder,
    ]
    try process.run()
    return process
  }

  /// `id,outcome,…` of each line that came back whole.
  private func collect(_ project: TestProject, _ index: Int, into answers: inout [String: Set<String>]) throws
  {
    let text = try String(contentsOfFile: "\(project.path)/senders/\(index).out", encoding: .utf8)
    // CRLF is one character.
    guard let last = text.lastIndex(where: \.isNewline) else { return }
    for line in text[...last].split(whereSeparator: \.isNewline).dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      guard fields.count >= 6 else { continue }
      answers[String(fields[0]), default: []].insert(fields[1...5].joined(separator: ","))
    }
  }

  /// From the log alone: the balance of no account is ever below zero, and accepted commands have their
  /// events.
  private func check(_ project: TestProject, _ answers: [String: Set<String>], _ seed: UInt64) throws {
    let exported = try Binary.succeed(["events", "export", project.path, "--topic", "accounts"])
    var balances: [String: Int] = [:]
    var causes: [String: Int] = [:]
    for line in exported.split(separator: "\n") {
      let event = try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      let key = try #require(event["key"] as? String)
      let amount = try #require((event["data"] as? [String: Any])?["amount"] as? Int)
      balances[key, default: 0] += event["type"] as? String == "Deposited" ? amount : -amount
      #expect(balances[key, default: 0] >= 0, "seed \(seed): \(key) at \(line)")
      let cause = try #require((event["meta"] as? [String: Any])?["causationid"] as? String)
      causes[cause, default: 0] += 1
    }
    for (id, outcomes) in answers {
      let isAccepted = outcomes.first?.hasPrefix("accepted") == true
      #expect(causes[id, default: 0] == (isAccepted ? 1 : 0), "seed \(seed): \(id) was \(outcomes)")
    }
  }
}
