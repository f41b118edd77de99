import MoontideCore

/// Instances as the saga's file has them, those that changed last: what comes to one soon after needs no
/// reading. Only what is committed gets in, and none that has ended: the file makes those smaller by and by,
/// and what comes late must meet what it has. Owned by the saga's thread.
final class SagaMemory {
  private var entries: [ByteKey: (instance: SagaInstance, used: UInt64)] = [:]
  /// Whose command waits for its outcome, by the command's id.
  private var senders: [ByteKey: [UInt8]] = [:]
  private var bytes = 0
  private var uses: UInt64 = 0

  func find(_ key: [UInt8]) -> SagaInstance? { entries[ByteKey(key)]?.instance }

  /// The instance that waits for the outcome of a command; nil also when it is only in the file.
  func key(ofCommand id: [UInt8]) -> [UInt8]? { senders[ByteKey(id)] }

  /// The file has it like that now.
  func keep(_ instance: SagaInstance) {
    uses += 1
    let key = ByteKey(instance.key)
    let old =
      instance.hasEnded
      ? entries.removeValue(forKey: key) : entries.updateValue((instance, uses), forKey: key)
    if let old {
      bytes -= Self.cost(old.instance)
      for command in old.instance.pending { senders.removeValue(forKey: ByteKey(command.id)) }
    }
    if instance.hasEnded { return }
    for command in instance.pending { senders[ByteKey(command.id)] = instance.key }
    bytes += Self.cost(instance)
    if bytes > Limits.sagaMemoryBytesMax { shrink() }
  }

  /// After a commit that failed: nobody knows what the file has.
  func forget() {
    entries.removeAll()
    senders.removeAll()
    bytes = 0
  }

  /// Drops the half that did not change for the longest time.
  private func shrink() {
    let median = entries.values.map(\.used).sorted()[entries.count / 2]
    entries = entries.filter { $0.value.used >= median }
    bytes = 0
    senders.removeAll(keepingCapacity: true)
    for (instance, _) in entries.values {
      bytes += Self.cost(instance)
      for command in instance.pending { senders[ByteKey(command.id)] = instance.key }
    }
  }

  /// About what it takes of the heap.
  private static func cost(_ instance: SagaInstance) -> Int {
    512 + instance.key.count + instance.trace.count + instance.state.count + 160 * instance.steps.count
      + 256 * instance.pending.count + 96 * (instance.timers.count + instance.notes.count)
  }
}
