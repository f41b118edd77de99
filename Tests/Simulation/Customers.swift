import MoontideCore
import MoontideRuntime

/// Who orders, fills the shelves and answers late for the card company, by lines in files; and a person who
/// looks after sagas. Not on the process's side: what was written stays.
final class Customers {
  private let disk: SimulatedDisk
  private let numbers: SeededNumbers
  private let clock: SimulatedClock
  private static let commands = "p/commands/c.jsonl"
  private static let ticks = "p/events/t.jsonl"
  private static let minute: Int64 = 60_000_000
  private static let start: Int64 = 1_760_000_000_000_000
  /// What the next line says of the time, microseconds.
  private var time: Int64
  private var count = 0
  private var lines: [String] = []
  /// Ids of all commands that were written.
  private(set) var written: [String] = []
  /// Orders whose payment was answered.
  private var answered: Set<String> = []

  init(_ disk: SimulatedDisk, _ numbers: SeededNumbers, _ clock: SimulatedClock) {
    self.disk = disk
    self.clock = clock
    self.numbers = numbers
    // Before the time of day, with it, or ahead of it.
    time = Self.start + Self.minute * numbers.pick([-20, 0, 180])
  }

  private func put(_ line: String, in file: String) {
    _ = disk.append(Array((line + "\n").utf8), to: file)
  }

  private func command(_ id: String, _ type: String, _ data: String) {
    // Most look at their clocks, which may have jumped.
    if numbers.chance(0.7) { time = max(time, clock.now.microseconds) }
    time += Int64(numbers.below(60)) * 1_000_000
    let at = numbers.chance(0.9) ? ",\"time\":\"\(EventTime(microseconds: time))\"" : ""
    let line = "{\"id\":\"\(id)\",\"type\":\"\(type)\"\(at),\"data\":\(data)}"
    written.append(id)
    lines.append(line)
    put(line, in: Self.commands)
  }

  // MARK: Writing

  func order() {
    for _ in 0..<1 + numbers.below(3) {
      count += 1
      var data = "{\"order\":\"o-\(count)\",\"sku\":\"s\(numbers.below(3))\",\"n\":\(1 + numbers.below(4))"
      data += ",\"card\":\"c\(numbers.below(4))\",\"cents\":\(100 + numbers.below(700))"
      let flags = [
        ("gift", 0.35), ("slow", 0.35), ("jam", 0.1), ("balk", 0.06), ("trip", 0.06), ("mute", 0.06),
        ("broken", 0.05), ("far", 0.2),
      ]
      for (flag, share) in flags where numbers.chance(share) { data += ",\"\(flag)\":true" }
      command("create-\(count)", "CreateOrder", data + "}")
    }
  }

  /// A shelf is filled, or time goes by.
  func tend() {
    count += 1
    if numbers.chance(0.75) {
      let sku = numbers.pick(["s0", "s1", "s2", "paper"])
      return command("add-\(count)", "AddStock", "{\"sku\":\"\(sku)\",\"n\":\(1 + numbers.below(20))}")
    }
    time += Int64(numbers.below(24)) * Self.minute
    put(
      "{\"id\":\"t-\(count)\",\"type\":\"Tick\",\"time\":\"\(EventTime(microseconds: time))\",\"data\":{}}",
      in: Self.ticks)
  }

  /// A line once more.
  func repeatLine() { if !lines.isEmpty { put(numbers.pick(lines), in: Self.commands) } }

  /// The card company answers some of what was asked of it, or all; whether there was something.
  @discardableResult func answer(_ records: [LogWitness.Seen], all: Bool) -> Bool {
    let open = records.filter { $0.type == "PaymentRequested" && !answered.contains($0.data) }
    for record in open where all || numbers.chance(0.3) {
      let data = MemberText(record.data)
      guard let order = data.texts("order").first, let card = data.texts("card").first else { continue }
      answered.insert(record.data)
      command("answer-\(order)", "CompletePayment", "{\"card\":\"\(card)\",\"order\":\"\(order)\"}")
    }
    return !open.isEmpty
  }

  // MARK: A person

  /// Asks for what is stuck again, or gives an order up.
  func decide(_ open: [SagaRow], _ log: any EventLog) throws(LogError) {
    guard !open.isEmpty else { return }
    let row = numbers.pick(open)
    try write(
      SagaDecision(row.status == "stuck" ? .retry : .cancel, key: row.key, reason: "a person"), log)
  }

  /// Asks for all that is stuck again; whether there was something.
  func retry(_ open: [SagaRow], _ log: any EventLog) throws(LogError) -> Bool {
    let stuck = open.filter { $0.status == "stuck" }
    for row in stuck { try write(SagaDecision(.retry, key: row.key), log) }
    return !stuck.isEmpty
  }

  private func write(_ decision: SagaDecision, _ log: any EventLog) throws(LogError) {
    count += 1
    let batch = DraftBatch()
    decision.draft(
      saga: "checkout", id: "said-\(count)", topic: try log.topic(.decisions, partitions: 1).id, into: batch)
    _ = try log.append(AppendRequest(batch: batch))
    try log.flush()
  }

  /// Event time is moved on, as `run --until` does.
  func advance(to microseconds: Int64, _ log: any EventLog) throws(LogError) {
    let batch = DraftBatch()
    let topic = try log.topic(.timers, partitions: 1).id
    TimerRecord.advance(to: EventTime(microseconds: microseconds), topic: topic, into: batch)
    _ = try log.append(AppendRequest(batch: batch))
    try log.flush()
  }
}
