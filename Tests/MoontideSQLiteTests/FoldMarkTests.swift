import Foundation
import MoontideCore
import Testing

@testable import MoontideSQLite

/// Events that fail in the middle of a batch whose operations are merged.
@Suite struct FoldMarkTests {
  /// What one event does, and whether it fails behind that.
  private struct Event {
    var steps: [FoldingTests.Step]
    var fails: Bool
  }

  private static func events(_ numbers: inout SeededNumbers, merging: Bool) -> [Event] {
    var steps = FoldingTests.steps(&numbers, 600)
    if merging { steps.removeAll { $0.operation == .delete || $0.operation == .each } }
    var events: [Event] = []
    while !steps.isEmpty {
      let count = min(steps.count, Int.random(in: 1...4, using: &numbers))
      events.append(
        Event(steps: Array(steps.prefix(count)), fails: Int.random(in: 0..<4, using: &numbers) == 0))
      steps.removeFirst(count)
    }
    return events
  }

  /// Runs the events as the runtime does; how many batches had to be run without merging.
  private static func run(_ events: [Event], on store: ProjectionStore, batch: Int, folding: Bool) throws
    -> Int
  {
    var plain = 0
    for start in stride(from: 0, to: events.count, by: batch) {
      let part = events[start..<min(start + batch, events.count)]
      if folding {
        if try pass(part, on: store, folding: true) { continue }
        plain += 1
      }
      #expect(try pass(part, on: store, folding: false))
    }
    return plain
  }

  /// False when the batch must be run without merging.
  private static func pass(_ events: ArraySlice<Event>, on store: ProjectionStore, folding: Bool) throws
    -> Bool
  {
    let tx = try store.begin(folding: folding)
    do {
      for event in events {
        try tx.savepoint()
        var fails = event.fails
        do {
          for step in event.steps { _ = try tx.row(step.operation, step.table, step.values) }
        } catch let error as StoreError {
          if case .foldedConstraint = error { throw error }
          fails = true
        }
        if fails { try tx.rollbackToSavepoint() }
      }
      try tx.commit()
      return true
    } catch is StoreError {
      try tx.rollback()
      return false
    }
  }

  @Test(arguments: [true, false])
  func `what a failed event did is gone, whatever was merged around it`(merging: Bool) throws {
    let again = ProcessInfo.processInfo.environment["MOONTIDE_SEED"].flatMap { UInt64($0) }
    let seed = again ?? UInt64.random(in: 0...UInt64.max)
    print("fold mark seed: \(seed)")
    var batches = 0
    var plainBatches = 0
    for round in 0..<24 {
      var numbers = SeededNumbers(seed &+ UInt64(round))
      let events = Self.events(&numbers, merging: merging)
      let scratch = try Scratch()
      let plain = try makeStore(scratch, FoldingTests.schema, name: "plain.sqlite")
      _ = try Self.run(events, on: plain, batch: 50, folding: false)
      let expected = try dump(plain.path)
      for batch in [1, 5, 40, 300] {
        let folded = try makeStore(scratch, FoldingTests.schema, name: "folded-\(batch).sqlite")
        plainBatches += try Self.run(events, on: folded, batch: batch, folding: true)
        batches += (events.count + batch - 1) / batch
        #expect(try dump(folded.path) == expected, "seed \(seed), round \(round), batch \(batch)")
      }
    }
    #expect(plainBatches < batches, "seed \(seed): no batch was merged, so nothing was tried")
  }

  @Test func `a failed event takes back its sums, its new rows and its statements, and no others`() throws {
    let store = try makeStore(
      Scratch(), "create table t(k text primary key, n integer, s text); create table log(n integer)")
    let tx = try store.begin(folding: true)
    for index in 0..<2_000 {
      let key = Value.text("k\(index % 700)")
      try tx.savepoint()
      try tx.row(.add, 0, [key, nil, .int(1), nil])
      try tx.savepoint()
      try tx.row(.add, 0, [key, nil, .int(100), nil])
      try tx.row(.put, 0, [key, .int(-1), .text("of an event that fails \(index)")])
      try tx.row(.put, 0, [.text("new-\(index)"), .int(-1), .text("x")])
      try tx.row(.put, 1, [.int(Int64(index))])
      try tx.rollbackToSavepoint()
    }
    try tx.commit()
    let read = try store.begin(folding: false)
    let rows = try read.row(.each, 0, [nil, nil, nil]).1
    #expect(rows.count == 700 * 3)
    #expect(try read.row(.get, 0, [.text("k0")]).1 == [.text("k0"), .int(3), .null])
    #expect(try read.row(.get, 0, [.text("k699")]).1 == [.text("k699"), .int(2), .null])
    #expect(try read.row(.each, 1, [nil]).1.isEmpty)
    try read.rollback()
  }
}
