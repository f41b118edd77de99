import MoontideCore

/// The transaction of a `ConsumerStore`: entries in memory until the commit.
final class ConsumerTransaction: EffectTransaction {
  private struct StateKey: Hashable {
    var topic: TopicName
    var key: [UInt8]
  }

  private let file: ConsumerFile
  private let connection: Connection
  private let records: ConsumerRecords
  private var entries: [EffectEntry] = []
  /// The last value written of each key, over what is in the file.
  private var states: [StateKey: [UInt8]?] = [:]
  private var mark: Int?
  /// What `states` held of each key that was written since the mark; nil: nothing.
  private var undo: [(key: StateKey, value: [UInt8]??)] = []
  private var isOpen = false

  init(_ file: ConsumerFile, _ connection: Connection, _ records: ConsumerRecords) {
    self.file = file
    self.connection = connection
    self.records = records
  }

  func begin() {
    precondition(!isOpen, "a store has one transaction at a time")
    isOpen = true
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    throw .refused("only a projection has tables")
  }

  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    throw .refused("only a projection has tables")
  }

  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? {
    precondition(isOpen, "the transaction has ended")
    if let written = states[StateKey(topic: topic, key: key)] { return written }
    return try records.state(topic, key)
  }

  func write(_ entry: EffectEntry) throws(StoreError) {
    precondition(isOpen, "the transaction has ended")
    entries.append(entry)
    if case .state(let topic, let key, let value) = entry {
      let place = StateKey(topic: topic, key: key)
      if mark != nil { undo.append((place, states[place])) }
      states.updateValue(value, forKey: place)
    }
  }

  func savepoint() throws(StoreError) {
    precondition(isOpen, "the transaction has ended")
    mark = entries.count
    undo.removeAll(keepingCapacity: true)
  }

  func rollbackToSavepoint() throws(StoreError) {
    guard isOpen, let mark else { preconditionFailure("there is no savepoint to go back to") }
    entries.removeSubrange(mark...)
    while let (key, value) = undo.popLast() {
      if let value { states.updateValue(value, forKey: key) } else { states.removeValue(forKey: key) }
    }
  }

  /// After an error nothing is written and the transaction is still open, to be rolled back.
  func commit() throws(StoreError) {
    precondition(isOpen, "the transaction has ended")
    if !entries.isEmpty {
      try file.gate.withLock { _ throws(StoreError) in
        do throws(StoreError) {
          try connection.run("begin immediate")
          try records.write(entries)
          try connection.run("commit")
        } catch {
          // The error that is told is the first one.
          if connection.isInTransaction { try connection.run("rollback") }
          throw error
        }
      }
    }
    end()
  }

  func rollback() throws(StoreError) {
    precondition(isOpen, "the transaction has ended")
    end()
  }

  private func end() {
    isOpen = false
    mark = nil
    undo.removeAll(keepingCapacity: true)
    entries.removeAll(keepingCapacity: true)
    states.removeAll(keepingCapacity: true)
  }
}
