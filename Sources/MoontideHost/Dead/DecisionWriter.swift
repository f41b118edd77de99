package import MoontideCore
package import MoontideRuntime

/// Puts decisions into the log.
package struct DecisionWriter {
  let log: any EventLog
  let randomness: any Randomness

  package init(log: any EventLog, randomness: any Randomness) {
    self.log = log
    self.randomness = randomness
  }

  /// Durable when it returns; the end behind the last one.
  /// - Parameter decisions: each with the identity name of its handler.
  @discardableResult
  package func write(_ decisions: [(handler: String, decision: Decision)]) throws(Diagnostic) -> Position {
    try LogError.told { () throws(LogError) in
      let topic = try log.topic(.decisions, partitions: 1).id
      var rest = decisions[...]
      while !rest.isEmpty {
        let batch = DraftBatch()
        for (handler, decision) in rest.prefix(Limits.decisionsPerBatch) {
          decision.draft(handler: handler, id: freshID(), topic: topic, into: batch)
        }
        rest = rest.dropFirst(Limits.decisionsPerBatch)
        switch try log.append(AppendRequest(batch: batch)) {
        case .written: break
        case .alreadyWritten, .conflicts, .unexpectedVersion:
          preconditionFailure("decisions have ids of their own and no condition")
        }
      }
      CrashPoint.reach(.afterDecision)
      return try log.flush()
    }
  }

  /// The same decision about many events, in as many records as it takes.
  static func split(
    _ action: Decision.Action, _ positions: [Position], reason: String, data: [UInt8]
  ) -> [Decision] {
    stride(from: 0, to: positions.count, by: Limits.decisionPositionsMax).map { start in
      let end = min(start + Limits.decisionPositionsMax, positions.count)
      return Decision(action, Array(positions[start..<end]), reason: reason, data: data)
    }
  }

  func freshID() -> String {
    String(randomness.next(), radix: 16) + "-" + String(randomness.next(), radix: 16)
  }
}
