import Foundation

/// Events that go through a chain of three upcasters on their way to the order projection, beside the same
/// projection over the same log without a chain. Each step changes the data; the last brings it back to what
/// it was, so that the answer is the same.
struct UpcastChain {
  let contest: Contest
  let batch: Int

  private static let upcasters = """
    local function one(data) data.total_cents = data.total data.total = nil return data end
    local function two(data) data.customer = data.user data.user = nil return data end
    local function three(data)
      data.total, data.total_cents = data.total_cents, nil
      data.user, data.customer = data.customer, nil
      return data
    end
    for _, type in ipairs { "OrderPlaced", "OrderShipped", "OrderCancelled", "PaymentCompleted" } do
      upcaster(type) { [1] = one, [2] = two, [3] = three }
    end
    """

  func run(_ report: inout Report) throws {
    let project = try contest.fresh("upcasting", handlers: ["orders"])
    let script = project + "/handlers/upcasters.lua"
    _ = try contest.work(["ingest", project])
    var chained: [Figure] = []
    var plain: [Figure] = []
    var floors: [Figure] = []
    for _ in 0..<contest.rounds {
      floors.append(try contest.upcastFloor())
      try contest.remove(script)
      plain.append(try process(project))
      try Self.upcasters.write(toFile: script, atomically: true, encoding: .utf8)
      chained.append(try process(project))
    }
    let name = "upcasting, batch \(batch)"
    report.add(name, "moontide: a chain of three", Figure.median(chained))
    report.add(name, "moontide: the same without a chain", Figure.median(plain))
    report.add(name, "floor: the changes alone, in C++", Figure.median(floors))
    report.compare(
      "\(name): CPU against no chain",
      Figure.median(chained).cpuMicroseconds / Figure.median(plain).cpuMicroseconds, atMost: 3.5)
    let chain = Figure.median(chained).cpuMicroseconds - Figure.median(plain).cpuMicroseconds
    report.compare(
      "\(name): CPU of the chain against the floor", chain / Figure.median(floors).cpuMicroseconds, atMost: 5
    )
  }

  private func process(_ project: String) throws -> Figure {
    try contest.remove(project + "/data/readmodels")
    let figure = try contest.work(["process", project, "--batch", "\(batch)"])
    try contest.workload.check(project + "/data/readmodels/orders.sqlite")
    return figure
  }
}
