import MoontideCore

/// What an instance asks of its script, one after the other; each is answered by `SagaMachine.did`.
enum SagaAction: Sendable, Hashable {
  /// `send` of a step.
  case send(Int)
  /// `compensate` of a step; with the event that said it was done, or without.
  case compensate(Int, result: Position?)
  /// `completed`.
  case complete
  /// `compensated`.
  case conclude(SagaInstance.Why)
  /// The function of a timer that `ctx.timer` set.
  case timer(String)
}

/// What happened to an instance.
enum SagaInput: Sendable, Hashable {
  /// The event that begins it.
  case start
  /// An event of its correlation value; `microseconds` is in the moment.
  case event(type: String)
  /// Another event of a type that begins instances, of which its own has no function to take it.
  case startAgain(type: String)
  case outcome(id: [UInt8], SagaVerdict)
  /// The timer of that ordinal.
  case timer(UInt64)
  /// A person asks for what is stuck again.
  case retry
  /// A person, or `ctx.compensate`, gives it up.
  case compensate(reason: String)
  /// `ctx.complete()`.
  case complete
  /// What came of an effect of its own, of that kind.
  case result(String)
  /// Its steps were put where an edited script has them.
  case migrated
}

/// The answer to a command, as far as a saga looks at it.
enum SagaVerdict: Sendable, Hashable {
  case accepted
  /// Rejected, or the decider failed.
  case refused(code: String, text: String)

  /// Reads a record of kind `outcome`; nil when it is not readable.
  init?(_ record: Record, in batch: RecordBatch) {
    let type = batch.bytes[record.envelope.type.indices]
    if type.elementsEqual(CommandOutcome.Verdict.accepted.rawValue.utf8) {
      self = .accepted
    } else if let outcome = CommandOutcome(record, in: batch) {
      self = .refused(code: outcome.code, text: outcome.text)
    } else {
      return nil
    }
  }
}
