import MoontideCore
import Testing

@testable import MoontideRuntime

struct EffectQueueTests {
  private func entry(_ sequence: UInt64, _ key: String, due: Int = 0) -> EffectQueue.Entry {
    EffectQueue.Entry(
      sequence: sequence, place: EffectQueue.Place(topic: .events, key: Array(key.utf8)), target: "t",
      due: .seconds(due))
  }

  @Test func `one effect of a key is in hand at a time, in order, and keys go side by side`() throws {
    var queue = EffectQueue()
    for (sequence, key) in [(0, "a"), (1, "a"), (2, "b"), (3, "a")] {
      queue.add(entry(UInt64(sequence), key))
    }
    let firstFound = queue.next(at: .zero)
    let first = try #require(firstFound)
    let secondFound = queue.next(at: .zero)
    let second = try #require(secondFound)
    #expect([first.sequence, second.sequence] == [0, 2])
    #expect(queue.next(at: .zero) == nil)
    queue.ended(first.place)
    #expect(queue.next(at: .zero)?.sequence == 1)
    queue.ended(second.place)
    #expect(queue.next(at: .zero) == nil)
    queue.later(first.place, at: .seconds(3), due: .seconds(3))
    #expect(queue.wait(from: .seconds(1)) == .seconds(2))
    #expect(queue.next(at: .seconds(2)) == nil)
    let againFound = queue.next(at: .seconds(3))
    let again = try #require(againFound)
    #expect(again.sequence == 1 && again.tries == 1 && again.due == .seconds(3))
    queue.ended(again.place)
    #expect(queue.next(at: .seconds(3))?.sequence == 3)
    #expect(queue.count == 1)
  }

  @Test func `a key with very many effects costs each of them no more than one with few`() throws {
    var queue = EffectQueue()
    for sequence in 0..<UInt64(Limits.effectsQueuedMax) { queue.add(entry(sequence, "a")) }
    let began = ContinuousClock.now
    for sequence in 0..<UInt64(Limits.effectsQueuedMax) {
      let found = queue.next(at: .zero)
      let next = try #require(found)
      if next.sequence != sequence { Issue.record("\(next.sequence) came as \(sequence)") }
      queue.ended(next.place)
    }
    #expect(queue.count == 0 && queue.next(at: .zero) == nil)
    // Each of them moved all behind it once: minutes.
    #expect(ContinuousClock.now - began < .seconds(20))
  }

  @Test func `random effects come in the order of their keys and none is lost`() throws {
    let seed = UInt64.random(in: 0..<1_000_000)
    print("EffectQueueTests seed \(seed)")
    let random = SeededRandomness(seed)
    var queue = EffectQueue()
    var now = Duration.zero
    var added: UInt64 = 0
    var inHand: [EffectQueue.Entry] = []
    var ended: [String: [UInt64]] = [:]
    for _ in 0..<5_000 {
      switch random.below(4) {
      case 0 where added < 800:
        queue.add(entry(added, "k\(random.below(20))", due: random.below(5)))
        added += 1
      case 1: now += .seconds(random.below(3))
      case 2:
        if let next = queue.next(at: now) { inHand.append(next) }
      default:
        guard !inHand.isEmpty else { continue }
        let one = inHand.remove(at: random.below(inHand.count))
        if random.below(3) == 0 {
          queue.later(one.place, at: now + .seconds(1), due: now + .seconds(1))
        } else {
          ended[String(decoding: one.place.key, as: UTF8.self), default: []].append(one.sequence)
          queue.ended(one.place)
        }
      }
      #expect(Set(inHand.map(\.place)).count == inHand.count, "two of one key are in hand")
    }
    for one in inHand {
      ended[String(decoding: one.place.key, as: UTF8.self), default: []].append(one.sequence)
      queue.ended(one.place)
    }
    while let next = queue.next(at: .seconds(1_000_000)) {
      ended[String(decoding: next.place.key, as: UTF8.self), default: []].append(next.sequence)
      queue.ended(next.place)
    }
    #expect(ended.values.allSatisfy { $0 == $0.sorted() })
    #expect(ended.values.reduce(0) { $0 + $1.count } == Int(added) && queue.count == 0)
  }
}
