import CBenchFloor
import Foundation

/// Steps a second of a saga of two steps with its deciders, beside the same work in C++: the saga's worker
/// alone over a log that is there, and the whole way from a file of events to the last outcome.
struct SagaRace {
  let contest: Contest

  private static let orders = 20_000

  static let pair = """
    saga "pair" {
      starts_on = "OrderPlaced", from = "start", clock = "event",
      correlate = function(event) return event.data.order_id end,
      initial = function(event)
        return { order_id = event.data.order_id, total_cents = event.data.total_cents }
      end,
      steps = {
        { name = "reserve", succeeds_on = "Reserved", timeout = "15m",
          send = function(state) return commands.Reserve { order_id = state.order_id } end },
        { name = "charge", succeeds_on = "Charged", timeout = "1h",
          send = function(state)
            return commands.Charge { order_id = state.order_id, cents = state.total_cents }
          end },
      },
    }
    decider "stock" {
      topic = "stock", key = "order_id",
      initial = function() return { reserved = 0 } end,
      decide = {
        Reserve = function(command) return events.Reserved { order_id = command.data.order_id } end,
      },
      evolve = { Reserved = function(state) state.reserved = state.reserved + 1 return state end },
    }
    decider "card" {
      topic = "cards", key = "order_id",
      initial = function() return { cents = 0 } end,
      decide = {
        Charge = function(command)
          return events.Charged { order_id = command.data.order_id, cents = command.data.cents }
        end,
      },
      evolve = {
        Charged = function(state, event) state.cents = state.cents + event.data.cents return state end,
      },
    }
    """

  func run(_ report: inout Report) throws {
    let lines = contest.workload.scratch.appending(path: "saga-orders.jsonl")
    let text = (0..<Self.orders).map { number in
      #"{"id":"e-\#(number)","type":"OrderPlaced","key":"o-\#(number)","time":"2026-03-01T09:00:00Z","#
        + #""data":{"order_id":"o-\#(number)","total_cents":2500}}"# + "\n"
    }
    try text.joined().write(to: lines, atomically: true, encoding: .utf8)
    var whole: (ours: [Figure], floors: [Figure]) = ([], [])
    var alone = whole
    for _ in 0..<contest.rounds {
      let project = try contest.fresh("saga", handlers: [], lines: lines)
      try Self.pair.write(toFile: project + "/handlers/pair.lua", atomically: true, encoding: .utf8)
      whole.ours.append(Self.steps(try contest.work(["process", project])))
      let kept = try contest.bytes(project + "/data/log/segments", apparent: true)
      // An event, and for each step a command, an event and an outcome.
      let bytes = Int64(kept) / Int64(7 * Self.orders)
      whole.floors.append(Self.steps(try floor(lines, bytes, isWhole: true)))
      try contest.remove(project + "/data/handlers")
      alone.ours.append(try contest.work(["saga", project]))
      alone.floors.append(Self.steps(try floor(lines, bytes, isWhole: false)))
    }
    for (name, figures, goal) in [
      ("saga steps, worker alone", alone, 0.2), ("saga steps, whole flow", whole, 0.2),
    ] {
      let (ours, floor) = (Figure.median(figures.ours), Figure.median(figures.floors))
      report.add(name, "moontide", ours)
      report.add(name, "floor: the work in C++, fdatasync", floor)
      report.compare("\(name): rate against the floor", ours.rate / floor.rate, atLeast: goal)
      report.compare(
        "\(name): CPU against the floor", ours.cpuMicroseconds / floor.cpuMicroseconds, atMost: 8)
    }
  }

  private func floor(_ lines: URL, _ bytes: Int64, isWhole: Bool) throws -> Figure {
    let folder = try contest.directory("saga-floor")
    return try Contest.figure(bench_floor_saga(lines.path, folder, 1_000, bytes, isWhole ? 1 : 0))
  }

  /// A figure of orders as one of their steps.
  private static func steps(_ figure: Figure) -> Figure {
    var steps = figure
    steps.events = 2 * orders
    return steps
  }
}
