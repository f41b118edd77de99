import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// A projection at work: the version that serves, and, while there is one, the version that is folded beside
/// it until it takes its place; each on a thread of its own. Any thread.
final class ProjectionGroup: @unchecked Sendable {
  // Unchecked: all that changes is behind the gate.

  typealias Setting = HandlerGroup.Setting

  /// One version at work.
  private struct Version {
    let definition: HandlerDefinition
    let setting: Setting
    let board: StatusBoard
    let signs: ProjectionSigns
    let thread: WorkerThread
  }

  /// Held by who changes which version is folded beside.
  private let turn = Mutex<Void>(())
  private let gate = Gate()
  private var serving: Version
  private var beside: Version?
  /// While the one beside is taking the place of the other: both are needed to its end.
  private var isHandingOver = false
  private var isStopping = false
  /// How many versions have taken the place of another one.
  private var replaced = 0

  /// - Parameter isResumed: it goes on with the read model in use as that stands, which is of that version.
  init(_ definition: HandlerDefinition, _ setting: Setting, isResumed: Bool) {
    serving = ProjectionGroup.version(definition, setting, isResumed ? .resumed : .first)
  }

  func start() throws(Diagnostic) { try serving.thread.start() }

  /// How a version begins.
  private enum Beginning {
    /// As its file asks.
    case first
    /// With the read model in use, as that stands.
    case resumed
    /// Beside one that serves.
    case beside(Handover, StoreKeeper.Beside)
  }

  private static func version(
    _ definition: HandlerDefinition, _ setting: Setting, _ beginning: Beginning
  ) -> Version {
    var (predecessor, isResumed, beside): (Handover?, Bool, StoreKeeper.Beside) = (nil, false, .known)
    switch beginning {
    case .first: break
    case .resumed: isResumed = true
    case .beside(let handover, let file): (predecessor, beside) = (handover, file)
    }
    let (board, signs) = (StatusBoard(definition, lane: 0), ProjectionSigns())
    let (project, catalog, turns) = (setting.project, setting.catalog, setting.rebuilds)
    let keeper = StoreKeeper(project)
    let surroundings = setting.surroundings
    let name = predecessor == nil ? definition.name : "\(definition.name)/beside"
    let thread = WorkerThread(name, setting) { [predecessor, isResumed, beside] () throws(Diagnostic) in
      try ProjectionRun(
        definition, keeper: keeper, log: project.log, board: board, signs: signs, predecessor: predecessor,
        isResumed: isResumed, beside: beside, turns: turns, report: surroundings.report
      ) { store, isBeside throws(Diagnostic) in
        var surroundings = surroundings
        if isBeside {
          surroundings.batchRecords = surroundings.batchRecords ?? Limits.rebuildRecords
          let report = surroundings.report
          // What follows from a batch that could not be written is told when that is tried again.
          surroundings.report = { [lost = signs.lost] in if !lost.isSet { report($0) } }
        }
        return try HandlerWorker(
          definition, lane: 0, catalog: catalog, log: isBeside ? ReadAheadLog(project.log) : project.log,
          store: store, surroundings: surroundings, board: board)
      }
    }
    signs.isRebuilding = predecessor != nil
    return Version(definition: definition, setting: setting, board: board, signs: signs, thread: thread)
  }

  // MARK: How it stands

  /// Of the version that serves.
  var definition: HandlerDefinition { gate.locked { serving.definition } }
  var setting: Setting { gate.locked { serving.setting } }
  var board: StatusBoard { gate.locked { serving.board } }

  /// Whether another read model is to take the place of the one in use, and is on its way.
  var isRebuilding: Bool { rebuild != nil }

  /// How far that is; nil when nothing is rebuilt, also when what was has stopped.
  var rebuild: RebuildStatus? {
    let (version, hasPredecessor) = gate.locked { (beside ?? serving, beside != nil) }
    guard version.signs.isRebuilding, !version.thread.isDone || !hasPredecessor else { return nil }
    let status = version.board.status
    return RebuildStatus(
      name: version.definition.name, version: version.definition.scriptVersion, position: status.position,
      end: version.setting.project.log.durableEnd, ratePerSecond: status.ratePerSecond)
  }

  /// How many versions have taken the place of another one since it began.
  var swaps: Int { gate.locked { replaced } }

  /// Why the version beside stopped, which cannot take its place so.
  var failedRebuild: Diagnostic? {
    let version = gate.locked { isHandingOver || isStopping ? nil : beside }
    guard let version, version.thread.isDone else { return nil }
    return version.board.status.halted
      ?? Diagnostic(.rebuild, "the read model of projection \(version.definition.name) was not rebuilt")
  }

  /// Whether the thread that serves has ended, and none takes its place.
  var hasEnded: Bool { gate.locked { !isHandingOver && serving.thread.isDone } }

  // MARK: Changes

  /// Has another version, or the same one anew, folded beside; returns when that has begun. What was beside
  /// before is given up, unless it is of that version; with the version that serves that is all. False when
  /// no version serves that could be kept up meanwhile: it has stopped, or makes its own read model anew.
  func rebuild(
    _ definition: HandlerDefinition, _ setting: Setting, _ file: StoreKeeper.Beside
  ) throws(Diagnostic) -> Bool {
    try inTurn { () throws(Diagnostic) in try begin(definition, setting, file) }
  }

  private func inTurn<T: Sendable>(_ body: () throws(Diagnostic) -> T) throws(Diagnostic) -> T {
    try turn.withLock { _ -> Result<T, Diagnostic> in
      do throws(Diagnostic) { return .success(try body()) } catch { return .failure(error) }
    }.get()
  }

  private func begin(
    _ definition: HandlerDefinition, _ setting: Setting, _ file: StoreKeeper.Beside
  ) throws(Diagnostic) -> Bool {
    let known = gate.locked { beside }
    if let known, file == .known, known.definition.scriptVersion == definition.scriptVersion,
      !known.thread.isDone
    {
      return true
    }
    let isWithdrawn = withdraw()
    // Asked only now: what was beside may have taken its place while that was waited for.
    if file == .known, !hasEnded, self.definition.scriptVersion == definition.scriptVersion {
      if isWithdrawn { try StoreKeeper(setting.project).discardBeside(definition.name) }
      return true
    }
    guard claimBeside() else { return false }
    let handover = Handover(self)
    let version = ProjectionGroup.version(definition, setting, .beside(handover, file))
    handover.thread = version.thread
    let mayStart = gate.locked {
      if !isStopping { beside = version }
      return !isStopping
    }
    guard mayStart else { return true }
    do throws(Diagnostic) { try version.thread.start() } catch {
      gate.locked { beside = nil }
      serving.signs.releaseBeside()
      throw error
    }
    return true
  }

  /// Takes the file beside the read model in use, once that is possible; false when no version serves that
  /// could be kept up meanwhile.
  private func claimBeside() -> Bool {
    let version = gate.locked { serving }
    let end = ContinuousClock.now + Limits.openingPatience
    while ContinuousClock.now < end, !version.thread.isDone, !gate.locked({ isStopping }) {
      if version.signs.hasOpened {
        if version.signs.isRebuilding { return false }
        if version.signs.claimBeside() { return true }
      }
      gate.locked { _ = gate.wait(until: Gate.deadline(after: .milliseconds(2))) }
    }
    return false
  }

  /// The version that serves is the one that is wanted.
  func cancelRebuild() throws(Diagnostic) {
    try inTurn { () throws(Diagnostic) in
      if withdraw() { try StoreKeeper(setting.project).discardBeside(definition.name) }
    }
  }

  /// Ends what is folded beside, and leaves its file; false when there is nothing, or it has just taken its
  /// place.
  @discardableResult
  private func withdraw() -> Bool {
    let version = gate.locked {
      while isHandingOver { gate.wait() }
      defer { beside = nil }
      return beside
    }
    guard let version else { return false }
    version.thread.stop()
    version.thread.join()
    gate.locked { serving.signs.releaseBeside() }
    return true
  }

  /// Each ends at the end of its batch.
  func stop(settled: Bool) {
    let threads = gate.locked {
      isStopping = true
      while isHandingOver { gate.wait() }
      return [serving.thread, beside?.thread].compactMap { $0 }
    }
    for thread in threads { thread.stop(settled: settled) }
    for thread in threads { thread.join() }
  }

  // MARK: From one to the other

  /// What the thread of the version beside knows of the one that serves.
  private final class Handover: ServingVersion, @unchecked Sendable {
    // Unchecked: the thread is set before it is started.
    private unowned let group: ProjectionGroup
    weak var thread: WorkerThread?

    init(_ group: ProjectionGroup) { self.group = group }

    func stop() throws(Diagnostic) -> Position? { thread.flatMap { group.handOver(to: $0) } }
    func isReplaced() { group.replace() }
    func goOn() { group.goOn() }
  }

  private func handOver(to thread: WorkerThread) -> Position? {
    let old = gate.locked { () -> Version? in
      guard !isStopping, beside?.thread === thread else { return nil }
      isHandingOver = true
      return serving
    }
    guard let old else { return nil }
    old.signs.isLeaving = true
    old.thread.stop()
    old.thread.join()
    return old.board.status.position
  }

  private func replace() {
    gate.locked {
      if let beside { serving = beside }
      beside = nil
      replaced += 1
      isHandingOver = false
      gate.wakeAll()
    }
  }

  private func goOn() {
    let old = gate.locked { serving }
    let version = ProjectionGroup.version(old.definition, old.setting, .resumed)
    _ = version.signs.claimBeside()
    // Nobody stops it in between: whoever wants to waits for the end of the hand-over.
    do throws(Diagnostic) { try version.thread.start() } catch { old.setting.surroundings.report(error) }
    gate.locked {
      serving = version
      isHandingOver = false
      gate.wakeAll()
    }
  }
}
