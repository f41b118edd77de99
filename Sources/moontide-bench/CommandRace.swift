import CBenchFloor
import Foundation

/// Commands a second to a decider that holds balances: one sender, and 64 at once, beside the same work in
/// C++ with as many commands a flush.
struct CommandRace {
  let contest: Contest

  private static let accounts = 1_000

  static let account = """
    decider "account" {
      key = "account", snapshot_every = 100,
      initial = function() return { balance = 0 } end,
      decide = {
        Deposit = function(command) return events.Deposited { amount = command.data.amount } end,
        Withdraw = function(command, state)
          if command.data.amount > state.balance then return reject("NO_FUNDS", "it holds " .. state.balance) end
          return events.Withdrawn { amount = command.data.amount }
        end,
        Look = function() return {} end,
      },
      evolve = {
        Deposited = function(state, event) state.balance = state.balance + event.data.amount return state end,
        Withdrawn = function(state, event) state.balance = state.balance - event.data.amount return state end,
      },
    }
    """

  func run(_ report: inout Report) throws {
    try race("commands, one by one", senders: 1, commands: 2_000, atLeast: 0.5, &report)
    try race("commands, 64 at once", senders: 64, commands: 20_000, atLeast: 0.1, &report)
  }

  private func race(
    _ name: String, senders: Int, commands: Int, atLeast goal: Double, _ report: inout Report
  ) throws {
    let lines = contest.workload.scratch.appending(path: "commands-\(senders).jsonl")
    try Self.lines(commands).write(to: lines, atomically: true, encoding: .utf8)
    var ours: [Figure] = []
    var floors: [Figure] = []
    for _ in 0..<contest.rounds {
      let project = try contest.fresh("commands", handlers: [])
      try Self.account.write(
        toFile: project + "/handlers/account.lua", atomically: true, encoding: .utf8)
      ours.append(try contest.work(["commands", project, "--lines", lines.path, "--senders", "\(senders)"]))
      let kept = try contest.bytes(project + "/data/log/segments", apparent: true)
      let floor = bench_floor_commands(lines.path, project, Int64(senders), Int64(kept) / Int64(commands))
      floors.append(try Contest.figure(floor))
    }
    let (figure, floor) = (Figure.median(ours), Figure.median(floors))
    report.add(name, "moontide: outcome on disk", figure)
    report.add(name, "floor: the work in C++, fdatasync", floor)
    report.compare("\(name): rate against the floor", figure.rate / floor.rate, atLeast: goal)
  }

  /// Deposits and withdrawals in turn, the account of each by a fixed sequence.
  private static func lines(_ count: Int) -> String {
    var text = ""
    var random: UInt64 = 7
    for number in 0..<count {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let account = (random >> 33) % UInt64(accounts)
      let amount = (random >> 13) % 100 + 1
      let type = number % 2 == 0 ? "Deposit" : "Withdraw"
      text +=
        #"{"id":"cmd-\#(number)","type":"\#(type)","time":"2026-11-17T09:00:00Z","#
        + #""data":{"account":"acc-\#(account)","amount":\#(amount)}}"# + "\n"
    }
    return text
  }
}
