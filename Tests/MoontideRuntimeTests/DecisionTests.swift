import MoontideCore
import MoontideLua
import Testing

@testable import MoontideRuntime

private func bytes(_ text: String) -> ([UInt8], ByteRange) {
  let all = Array(text.utf8)
  return (all, ByteRange(start: 0, count: all.count))
}

struct DecisionTests {
  @Test func `durations are read with their units and nothing else`() {
    #expect(DurationText.parse("200ms") == .milliseconds(200))
    #expect(DurationText.parse("1.5s") == .milliseconds(1_500))
    #expect(DurationText.parse("15m") == .seconds(900))
    #expect(DurationText.parse("1h") == .seconds(3_600))
    #expect(DurationText.parse("1d") == .seconds(86_400))
    for wrong in ["", "5", "s", "-1s", "1 s", "1w", ".5s", "5.s", "1s2", "99999d"] {
      #expect(DurationText.parse(wrong) == nil, "\(wrong)")
    }
    #expect(DurationText.text(.seconds(90)) == "90s")
    #expect(DurationText.text(.seconds(120)) == "2m")
  }

  @Test func `a wait grows by the factor up to the bound and keeps at least half of it`() {
    let policy = RetryPolicy(attempts: 9, backoff: .milliseconds(100), factor: 3, max: .seconds(1))
    for (attempts, nominal) in [(1, 100), (2, 300), (3, 900), (4, 1_000), (60, 1_000)] {
      let shortest = policy.delay(afterAttempt: attempts, random: 0)
      #expect(shortest == Duration.milliseconds(nominal) / 2)
      let longest = policy.delay(afterAttempt: attempts, random: .max)
      let bound = Duration.milliseconds(nominal)
      #expect(longest <= bound && longest > bound * 9 / 10)
    }
  }

  @Test func `the most exact subscription gets the event`() {
    var table = SubscriptionTable(
      patterns: ["*", "Order*", "OrderPlaced", "OrderP*"], chains: ["OrderPlaced": 4])
    for _ in 0..<2 {
      for (type, subscription) in [("OrderPlaced", 2), ("OrderPaid", 3), ("OrderSent", 1), ("Paid", 0)] {
        let (all, range) = bytes(type)
        #expect(table.route(all, range).subscription == subscription, "\(type)")
      }
    }
    let (all, range) = bytes("OrderPlaced")
    #expect(table.route(all, range).chain == 4)
    var narrow = SubscriptionTable(patterns: ["Paid"])
    #expect(narrow.route(all, range).subscription == -1)
  }

  @Test func `a byte table finds every key by bytes and topic after growing`() {
    var table = ByteTable()
    for index in 0..<1_000 {
      let (all, range) = bytes("key-\(index)")
      table.insert(all, range, salt: UInt32(index % 3), value: index)
    }
    for index in 0..<1_000 {
      let (all, range) = bytes("xkey-\(index)")
      let part = ByteRange(start: 1, count: Int(range.count) - 1)
      #expect(table.find(all, part, salt: UInt32(index % 3)) == index)
      #expect(table.find(all, part, salt: 9) == nil)
      #expect(table.find(all, range, salt: UInt32(index % 3)) == nil)
    }
  }

  @Test func `kind and policy decide what becomes of a failed event`() {
    let place = SourcePlace(file: "h.lua", line: 1)
    var consumer = HandlerDefinition(
      kind: .consumer, name: "c", place: place, subscriptions: ["A"], retry: RetryPolicy(attempts: 3))
    #expect(FailurePlan.decide(consumer, attempts: 2) == .park)
    #expect(FailurePlan.decide(consumer, attempts: 3) == .deadAndHold)
    consumer.exhausted = .skip
    #expect(FailurePlan.decide(consumer, attempts: 3) == .deadAndGoOn)
    consumer.exhausted = .halt
    #expect(FailurePlan.decide(consumer, attempts: 3) == .halt)
    var projection = HandlerDefinition(kind: .projection, name: "p", place: place, subscriptions: ["A"])
    #expect(FailurePlan.decide(projection, attempts: 1) == .setAside)
    projection.exhausted = .halt
    #expect(FailurePlan.decide(projection, attempts: 1) == .halt)
  }

  @Test func `a lane takes its own partitions from their own checkpoints`() {
    let place = SourcePlace(file: "h.lua", line: 1)
    let definition = HandlerDefinition(
      kind: .consumer, name: "c", place: place, subscriptions: ["*"], topics: [.events], lanes: 2)
    let lane = LaneSelection(definition, lane: 1)
    let topics = [
      TopicDescription(id: TopicID(0), name: .quarantine, partitions: 1, nextOffsets: []),
      TopicDescription(id: TopicID(1), name: .events, partitions: 4, nextOffsets: []),
    ]
    lane.learn(
      topics, checkpoints: [TopicPartition(topic: .events, partition: 3): Position(10)], start: Position(5))
    func record(_ position: UInt64, _ partition: UInt16, topic: UInt16 = 1) -> Record {
      Record(
        position: Position(position), offset: Offset(0), topic: TopicID(topic), partition: partition,
        recordedMicroseconds: 0, envelope: Envelope())
    }
    #expect(lane.position == Position(5))
    #expect(!lane.takes(record(20, 0)) && !lane.takes(record(20, 2)))
    #expect(lane.takes(record(5, 1)) && !lane.takes(record(4, 1)))
    #expect(lane.takes(record(10, 3)) && !lane.takes(record(9, 3)))
    #expect(!lane.takes(record(20, 0, topic: 0)))
    #expect(lane.partitions(behind: Position(8)) == [TopicPartition(topic: .events, partition: 1)])
    lane.advance(to: Position(12))
    #expect(lane.partitions(at: Position(12)).count == 2)
  }

  @Test func `a parked key moves through what waits behind it in order`() {
    var parked = ParkedKeys()
    let (all, range) = bytes("k")
    let key = ParkedKey(
      topic: .events, key: all, position: Position(1), status: .retrying, attempts: 1, dueMicroseconds: 0,
      held: [Position(4)])
    parked.add(key, topic: TopicID(0), due: .seconds(5))
    parked.hold(Position(9), at: 0)
    #expect(parked.held == 3 && parked.retrying == 1)
    #expect(parked.next(at: .seconds(4)) == nil && parked.wait(from: .seconds(4)) == .seconds(1))
    #expect(parked.next(at: .seconds(5)) == 0)
    var seen: [Position] = []
    while parked.moveOn(0, nowMicroseconds: 7, due: .zero) {
      let key = parked.entries[0].key
      seen.append(key.position)
      #expect(key.attempts == 0 && key.status == .retrying && key.dueMicroseconds == 7)
    }
    #expect(seen == [Position(4), Position(9)])
    parked.remove(0)
    #expect(parked.isEmpty && parked.find(all, range, topic: TopicID(0)) == nil)
  }

  @Test func `the time of 99 of 100 calls is told within a quarter`() {
    var sample = LatencySample()
    #expect(sample.p99 == nil)
    for _ in 0..<99 { sample.add(.microseconds(100)) }
    sample.add(.milliseconds(50))
    let p99 = sample.p99 ?? .zero
    #expect(p99 >= .milliseconds(50) && p99 <= .microseconds(62_500))
    for _ in 0..<1_000 { sample.add(.microseconds(100)) }
    let later = sample.p99 ?? .zero
    #expect(later >= .microseconds(100) && later <= .microseconds(128))
  }
}
