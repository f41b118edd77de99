public import MoontideCore

/// Writes sealed tables of the index to disk, merges runs and writes checkpoints, in the background. The log
/// is right without it: then an append does that work when too much has piled up.
///
/// `@unchecked Sendable`: the mutable parts are guarded by `gate`, which one piece of work holds.
public final class IndexMaintainer: Worker, @unchecked Sendable {
  private let gate = Gate()
  private let root: LogDirectory
  private let directory: LogDirectory
  private let index: LogIndex
  private let catalog: LogCatalog
  private let commit: GroupCommit
  /// The point that the runs reach, and the number of the next file.
  private var point: LogPoint
  private var nextFile: UInt64
  private var isCheckpointDue = false
  private var garbage: [String] = []
  private var isDistrusted = false
  private var lastFailure: LogError?

  init(
    root: LogDirectory, directory: LogDirectory, index: LogIndex, catalog: LogCatalog, commit: GroupCommit,
    point: LogPoint, nextFile: UInt64
  ) {
    self.root = root
    self.directory = directory
    self.index = index
    self.catalog = catalog
    self.commit = commit
    self.point = point
    self.nextFile = nextFile
  }

  /// Why the last piece of work failed, or nil when it did not. It is tried again; nothing is lost.
  public var failure: LogError? {
    gate.lock()
    defer { gate.unlock() }
    return lastFailure
  }

  /// Seals or merges once.
  public func step() -> StepOutcome {
    do { return try work() ? .progressed : .idle(for: .seconds(1)) } catch { return .idle(for: .seconds(1)) }
  }

  /// Blocks until there is something to seal, or for that long: what its thread does when `step` is idle.
  public func wait(for timeout: Duration) { index.waitForFrozen(timeout) }

  /// Ends a `wait` of another thread, which is to look whether it should stop.
  public func wake() { index.wakeWaiters() }

  /// Does one piece of work; false when there is none.
  func work() throws(LogError) -> Bool {
    gate.lock()
    defer { gate.unlock() }
    do {
      let progressed = try workOnce()
      lastFailure = nil
      return progressed
    } catch {
      lastFailure = error
      throw error
    }
  }

  private func workOnce() throws(LogError) -> Bool {
    if let frozen = index.oldestFrozen {
      // A checkpoint must not say more than the log holds after a power cut.
      try commit.flush()
      let number = takeNumber()
      let identities = try write(frozen.table.sortedIdentities(), as: "\(number).ids")
      let keys = try write(frozen.table.sortedKeys(), as: "\(number).keys")
      CrashPoint.reach(.afterIndexRun)
      index.replaceOldest(identities: identities, keys: keys)
      point = frozen.point
      isCheckpointDue = true
      try writeCheckpoint()
      return true
    }
    if isDistrusted { return false }
    for kind in [LogIndex.Kind.identities, .keys] where try merge(kind) { return true }
    if isCheckpointDue {
      try writeCheckpoint()
      return true
    }
    return false
  }

  private func write(_ entries: [IndexEntry], as name: String) throws(LogError) -> SortedRun {
    do {
      var writer = try RunWriter(name, in: directory, log: index.log, entries: entries.count)
      for entry in entries { try writer.add(entry) }
      return try writer.finish()
    } catch {
      try directory.remove(name)
      throw error
    }
  }

  private func merge(_ kind: LogIndex.Kind) throws(LogError) -> Bool {
    let runs = index.runs(kind)
    guard let choice = RunMerge.choice(runs.map(\.count), sealEntries: index.sealEntries) else {
      return false
    }
    let members = choice.map { runs[$0] }
    let name = takeNumber() + (kind == .identities ? ".ids" : ".keys")
    let merged: SortedRun
    do {
      merged = try RunMerge.merge(members, as: name, in: directory, log: index.log)
    } catch {
      // A full disk should not stay full of this.
      try directory.remove(name)
      throw error
    }
    index.replace(kind, members, by: merged)
    garbage.append(contentsOf: members.map(\.name))
    isCheckpointDue = true
    try writeCheckpoint()
    return true
  }

  private func takeNumber() -> String {
    defer { nextFile += 1 }
    let digits = String(nextFile)
    return String(repeating: "0", count: max(0, 10 - digits.count)) + digits
  }

  /// A run turned out to be damaged: from now on no checkpoint names it, and the next opening rebuilds all.
  func distrust() throws(LogError) {
    gate.lock()
    defer { gate.unlock() }
    isDistrusted = true
    try root.remove(LogCheckpoint.fileName)
    try root.sync()
  }

  private func writeCheckpoint() throws(LogError) {
    if isDistrusted { return }
    try directory.sync()
    func manifest(_ kind: LogIndex.Kind) -> [LogCheckpoint.Run] {
      index.runs(kind).map { .init(name: $0.name, entries: UInt64($0.count), checksums: $0.checksums) }
    }
    let marks = catalog.marks(below: point)
    let checkpoint = LogCheckpoint(
      point: point, marks: marks.marks, offsetMarks: marks.offsetMarks, identityRuns: manifest(.identities),
      keyRuns: manifest(.keys), nextFile: nextFile)
    try checkpoint.write(in: root, log: index.log)
    isCheckpointDue = false
    // The files of merged runs are named by no checkpoint any more.
    while let name = garbage.popLast() { try directory.remove(name) }
  }

  /// Writes everything down up to `end`, so that the next opening reads nothing twice.
  func close(reaching end: LogPoint) throws(LogError) {
    index.freeze(reaching: end)
    while index.oldestFrozen != nil { _ = try work() }
    gate.lock()
    defer { gate.unlock() }
    guard !isDistrusted, isCheckpointDue || point != end else { return }
    try commit.flush()
    point = end
    try writeCheckpoint()
  }
}
