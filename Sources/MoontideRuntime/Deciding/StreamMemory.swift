import MoontideCore

/// What a decider remembers of its streams from one decision to the next: the states that were asked for
/// last, and snapshots on the disk. All of it is derived, and nothing of it is believed that the log does not
/// confirm. Owned by one thread.
final class StreamMemory {
  private let definition: DeciderDefinition
  private let fold: StreamFold
  private let snapshots: any SnapshotStore
  private let report: (Diagnostic) -> Void
  private var cache = StreamCache()
  /// States whose snapshot is to be kept once they are durable.
  private var due: [[UInt8]: StreamState] = [:]
  private var isTold = false

  init(
    _ definition: DeciderDefinition, fold: StreamFold, snapshots: any SnapshotStore,
    report: @escaping (Diagnostic) -> Void
  ) {
    self.definition = definition
    self.fold = fold
    self.snapshots = snapshots
    self.report = report
  }

  /// The stream as the log durably has it, or as the last decision left it.
  func state(of key: [UInt8]) throws(StreamFault) -> StreamState {
    if let known = cache[key] { return known }
    let state = try loaded(key)
    cache[key] = state
    return state
  }

  private func loaded(_ key: [UInt8]) throws(StreamFault) -> StreamState {
    if let kept = snapshot(key), let state = try fold.resume(from: kept) { return state }
    var state = StreamState.new
    try fold.advance(&state, key: key)
    return state
  }

  private func snapshot(_ key: [UInt8]) -> StreamSnapshot? {
    guard definition.snapshotEvery != nil else { return nil }
    do throws(StoreError) { return try snapshots.snapshot(topic: definition.topic, key: key) } catch {
      told(error)
      return nil
    }
  }

  /// A decision made the stream what it is now.
  func keep(_ state: StreamState, of key: [UInt8]) {
    var state = state
    if let every = definition.snapshotEvery, state.value != nil, state.position != nil,
      state.version / every > state.snapshotVersion / every
    {
      state.snapshotVersion = state.version
      due[key] = state
    }
    cache[key] = state
  }

  func forget(_ key: [UInt8]) { cache[key] = nil }

  /// After a flush that failed: nothing in memory can be trusted.
  func forgetAll() {
    cache.removeAll()
    due.removeAll()
  }

  // MARK: On the disk

  /// How far commands have been looked through, if the log had the same before that place then.
  func reached() throws(LogError) -> Position {
    var kept: LogMark?
    do throws(StoreError) { kept = try snapshots.reached() } catch { told(error) }
    guard let kept, kept.position > .start,
      try fold.fingerprint(at: Position(kept.position.value - 1)) == kept.fingerprint
    else { return .start }
    return kept.position
  }

  var isDue: Bool { !due.isEmpty }

  /// Keeps the snapshots that are due, and how far commands have been looked through; all of it durable in
  /// the log.
  func settle(reached: Position) {
    let states = due
    due.removeAll(keepingCapacity: true)
    do throws(LogError) {
      var kept: [StreamSnapshot] = []
      for (key, state) in states { if let snapshot = try snapshot(of: state, key) { kept.append(snapshot) } }
      var mark: LogMark?
      if reached > .start, let fingerprint = try fold.fingerprint(at: Position(reached.value - 1)) {
        mark = LogMark(position: reached, fingerprint: fingerprint)
      }
      do throws(StoreError) { try snapshots.keep(kept, reached: mark) } catch { told(error) }
    } catch {
      told(error)
    }
  }

  private func snapshot(of state: StreamState, _ key: [UInt8]) throws(LogError) -> StreamSnapshot? {
    guard let value = state.value, let position = state.position,
      let fingerprint = try fold.fingerprint(at: position)
    else { return nil }
    return StreamSnapshot(
      topic: definition.topic, key: key, version: state.version, position: position,
      fingerprint: fingerprint, state: value)
  }

  /// Without the cache the next opening folds more, and looks through more of the log; nothing else follows.
  private func told(_ error: any Error) {
    if isTold { return }
    isTold = true
    report(
      Diagnostic(
        .warning, code: RuntimeCode.storeBroken.rawValue,
        "decider \(definition.name) goes on without snapshots: \(error)",
        details: [
          .init("state", "nothing is lost: streams are folded from the log instead, which takes longer"),
          .init("help", "moontide doctor; .moontide/snapshots may be deleted at any time"),
        ]))
  }
}
