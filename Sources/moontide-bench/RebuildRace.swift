import Foundation

/// A rebuild beside against the live path over the same log, one after the other, and what readers notice of
/// the swap.
struct RebuildRace {
  let contest: Contest

  func run(_ report: inout Report) throws {
    let project = try contest.fresh("rebuild", handlers: ["orders"])
    _ = try contest.work(["ingest", project])
    var live: [Figure] = []
    var beside: [Figure] = []
    for _ in 0..<contest.rounds {
      try contest.remove(project + "/data/readmodels")
      live.append(try contest.work(["process", project, "--only", "orders"]))
      beside.append(try contest.work(["rebuild", project]))
      try contest.workload.check(project + "/data/readmodels/orders.sqlite")
    }
    let (one, other) = (Figure.median(live), Figure.median(beside))
    report.add("rebuild", "moontide: the live path", one)
    report.add("rebuild", "moontide: beside, to the swap", other)
    report.compare("rebuild: rate against the live path", other.rate / one.rate, atLeast: 1.3)
    let swap = try contest.work(["swap", project])
    report.add("reads through a swap", "moontide: median, and longest", swap)
    report.compare(
      "swap: longest wait of a reader, milliseconds", (swap.latencyP99Seconds ?? 0) * 1e3, atMost: 50)
  }
}
