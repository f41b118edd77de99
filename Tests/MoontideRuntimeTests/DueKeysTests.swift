import MoontideCore
import Testing

@testable import MoontideRuntime

/// Which parked key is tried next, beside a look at all of them.
struct DueKeysTests {
  /// A key as the test keeps it.
  private struct Twin {
    var position: UInt64
    var due: Duration?
    var waiting: [UInt64]
  }

  private func key(_ name: String, _ position: UInt64, isDead: Bool) -> ParkedKey {
    ParkedKey(
      topic: .events, key: Array(name.utf8), position: Position(position), status: isDead ? .dead : .retrying,
      attempts: 1, dueMicroseconds: 0)
  }

  @Test func `of the keys that are due the one with the oldest event comes first, whatever happened before`()
  {
    let seed = UInt64.random(in: 0..<1 << 32)
    print("due keys: seed \(seed)")
    let random = SeededRandomness(seed)
    var parked = ParkedKeys()
    var twins: [String: Twin] = [:]
    var position: UInt64 = 0
    var now = Duration.zero
    for step in 0..<20_000 {
      let name = "k\(random.below(60))"
      let range = ByteRange(start: 0, count: name.utf8.count)
      position += 1
      if let index = parked.find(Array(name.utf8), range, topic: TopicID(0)), var twin = twins[name] {
        switch random.below(5) {
        case 0:
          parked.hold(Position(position), at: index)
          twin.waiting.append(position)
        case 1:
          let isDead = random.below(4) == 0
          let due = now + .milliseconds(random.below(50))
          parked.update(index, to: key(name, twin.position, isDead: isDead), due: due)
          twin.due = isDead ? nil : due
        case 2 where twin.waiting.isEmpty:
          parked.remove(index)
          twins[name] = nil
          continue
        default:
          let hasMoved = parked.moveOn(index, nowMicroseconds: 0, due: now)
          #expect(hasMoved == !twin.waiting.isEmpty)
          if hasMoved {
            twin.position = twin.waiting.removeFirst()
            twin.due = now
          }
        }
        twins[name] = twin
      } else {
        let isDead = random.below(6) == 0
        let due = now + .milliseconds(random.below(50))
        parked.add(key(name, position, isDead: isDead), topic: TopicID(0), due: due)
        twins[name] = Twin(position: position, due: isDead ? nil : due, waiting: [])
      }
      if random.below(3) == 0 { now += .milliseconds(random.below(4)) }
      let wanted = twins.values.filter { $0.due.map { $0 <= now } ?? false }.map(\.position).min()
      let found = parked.next(at: now).map { parked.entries[$0].key.position.value }
      guard found == wanted else {
        Issue.record("step \(step), seed \(seed): \(found as Any), not \(wanted as Any)")
        return
      }
      let wait = twins.values.compactMap(\.due).min().map { max(.zero, $0 - now) }
      // Among those that are due any stands for "now".
      #expect(parked.wait(from: now) == wait, "step \(step), seed \(seed)")
      #expect(parked.retrying == twins.values.count { $0.due != nil })
      #expect(parked.held == twins.values.reduce(0) { $0 + $1.waiting.count + ($1.due == nil ? 0 : 1) })
    }
  }
}
