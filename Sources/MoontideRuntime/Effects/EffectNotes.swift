import MoontideCore

/// What is to be written of effects that ended or failed: results into the log, flushed, then the ledger.
/// What could not be written for now stays, and goes with the next.
final class EffectNotes {
  private struct Ended {
    var effect: LedgerEffect
    var result: EffectResult
    var attempts: Int
    var time: EventTime
  }

  private let definition: HandlerDefinition
  private let log: any EventLog
  private let store: any EffectLedger
  private let batch = DraftBatch()
  private var ended: [Ended] = []
  private var failed: [LedgerChange] = []
  private var sinceForgetting: UInt64 = 0

  init(_ definition: HandlerDefinition, log: any EventLog, store: any EffectLedger) {
    self.definition = definition
    self.log = log
    self.store = store
  }

  private var title: String { "\(definition.kind.rawValue) \(definition.name)" }

  var isEmpty: Bool { ended.isEmpty && failed.isEmpty }
  /// Whether it is to be written before more is added: results may be long.
  var isFull: Bool { ended.count >= Limits.effectsPerNoteMax }

  /// A failed try.
  func add(_ change: LedgerChange) { failed.append(change) }

  func add(_ effect: LedgerEffect, _ result: EffectResult, attempts: Int, at time: EventTime) {
    ended.append(Ended(effect: effect, result: result, attempts: attempts, time: time))
  }

  /// The result of that round, if the log has it.
  func known(_ effect: LedgerEffect) throws(WorkerStop) -> EffectResult? {
    do throws(LogError) {
      return try EffectResult.find(effect, maker: definition.identityName, in: log)
    } catch {
      throw .log(error, handler: title)
    }
  }

  /// Returns how many are done and dead now.
  func write() throws(WorkerStop) -> (done: UInt64, dead: UInt64) {
    var counts: (done: UInt64, dead: UInt64) = (0, 0)
    while !isEmpty {
      let part = nextPart()
      if !part.isEmpty { try publish(part) }
      CrashPoint.reach(.beforeEffectNote)
      try note(part)
      CrashPoint.reach(.afterEffectNote)
      ended.removeFirst(part.count)
      failed.removeAll()
      let done = UInt64(part.count { $0.result.isDone })
      counts.done += done
      counts.dead += UInt64(part.count) - done
    }
    return counts
  }

  /// As many of those that ended as one batch of the log takes; at least one when there is one.
  private func nextPart() -> [Ended] {
    var bytes = 0
    let part = ended.prefix(Limits.effectsPerNoteMax).prefix { one in
      defer { bytes += one.result.data.count + one.effect.meta.count }
      return bytes < Limits.effectNoteBytesMax
    }
    return Array(part)
  }

  /// A result that the log has already, of a life that died before it could note it, stays the only one.
  private func publish(_ part: [Ended]) throws(WorkerStop) {
    do throws(LogError) {
      let topic = try log.topic(.results, partitions: nil).id
      var left = part
      while !left.isEmpty {
        batch.removeAll()
        for one in left {
          one.result.draft(of: one.effect, maker: definition.identityName, topic: topic, into: batch)
        }
        guard case .conflicts(let conflicts) = try log.append(AppendRequest(batch: batch)) else { break }
        let refused = Set(conflicts.map(\.index))
        left = left.indices.filter { !refused.contains($0) }.map { left[$0] }
      }
      CrashPoint.reach(.afterResult)
      try log.flush()
    } catch {
      throw .log(error, handler: title)
    }
  }

  private func note(_ part: [Ended]) throws(WorkerStop) {
    do throws(StoreError) {
      let transaction = try store.begin(folding: false)
      do throws(StoreError) {
        for change in failed { try transaction.write(.effect(change)) }
        for one in part {
          try transaction.write(
            .effect(
              .ended(
                sequence: one.effect.sequence, status: one.result.isDone ? .done : .dead,
                attempts: one.attempts, result: one.result.data, error: one.result.error,
                endedMicroseconds: one.time.microseconds)))
        }
        if let below = try forgettable(part.count) {
          try transaction.write(.effect(.forgotten(below: below)))
        }
        try transaction.commit()
      } catch {
        try transaction.rollback()
        throw error
      }
    } catch {
      throw .store(error, handler: title)
    }
  }

  /// Now and then: below which number those that are done need not be kept.
  private func forgettable(_ count: Int) throws(StoreError) -> UInt64? {
    sinceForgetting += UInt64(count)
    guard sinceForgetting >= Limits.effectsKeptMax / 100 else { return nil }
    sinceForgetting = 0
    let end = try store.effectEnd()
    return end > Limits.effectsKeptMax ? end - Limits.effectsKeptMax : nil
  }
}
