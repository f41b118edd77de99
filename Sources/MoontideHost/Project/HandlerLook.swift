import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// What `doctor` sees of one handler's file, and what it says of it once it has read the log.
struct HandlerLook {
  /// The file as it was at one moment.
  private struct Sight {
    var identity: StoreIdentity
    var ledger: HandlerLedger
    var outbox: (first: UInt64, count: UInt64)?
    var mark: Int32?
    /// What SQLite finds broken.
    var fault: String?
    /// Tables whose rows are not those that were sealed.
    var changed: [String]
    /// Where a read model once stood, by its seal, when it is not so far now.
    var wentBackFrom: Position?
  }

  private let definition: HandlerDefinition
  private let paths: ProjectPaths
  private let path: String
  private let sight: Sight?
  /// What kept it from being looked at, and what to do about that.
  private let problem: (found: String, next: String)?

  /// Reads all of the file.
  init(_ definition: HandlerDefinition, _ paths: ProjectPaths, _ files: any FileSystem) {
    self.definition = definition
    self.paths = paths
    let isProjection = definition.kind == .projection
    path = isProjection ? paths.readModel(definition.name) : paths.handlerFile(definition.name)
    var sight: Sight?
    var problem: (found: String, next: String)?
    do throws(Diagnostic) {
      let isThere = try FileError.told { [path] () throws(FileError) in try files.status(path) != nil }
      if isThere { sight = try HandlerLook.look(path, isProjection, files) }
    } catch {
      // That the system refuses it, or is short of something, is no fault of the file.
      let isRefused = error.isPassing || error.code == HostCode.file.code
      let help = isRefused ? error.details.first { $0.label == "help" }?.text : nil
      problem = (error.title, help ?? HandlerLook.mend(isProjection, paths.relative(path)))
    }
    self.sight = sight
    self.problem = problem
  }

  private static func look(
    _ path: String, _ isProjection: Bool, _ files: any FileSystem
  ) throws(Diagnostic) -> Sight? {
    let seal =
      isProjection ? try FileError.told { () throws(FileError) in try ReadModelSeal.read(path, files) } : nil
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      return try StoreOpeningError.told { () throws(StoreError) in
        let fault = try reader.integrityFault()
        let ledger = try reader.ledger()
        var changed: [String] = []
        let position = ledger.checkpoints.values.max() ?? .start
        if fault == nil, let seal, seal.position == position,
          seal.scriptVersion == reader.identity.scriptVersion
        {
          changed = seal.differences(try reader.contents())
        }
        var sight = Sight(
          identity: reader.identity, ledger: ledger, outbox: try reader.outboxRange(),
          mark: try reader.logMark(), fault: fault, changed: changed)
        if let seal, seal.scriptVersion == reader.identity.scriptVersion, seal.position > position {
          sight.wentBackFrom = seal.position
        }
        return sight
      }
    } catch {
      if case .empty = error { return nil }
      throw error.diagnostic(path)
    }
  }

  private var name: String { "\(definition.kind.rawValue) \(definition.name)" }
  private var file: String { paths.relative(path) }
  private var isProjection: Bool { definition.kind == .projection }

  /// What to do about a file that cannot stay.
  private var mend: String { HandlerLook.mend(isProjection, file) }

  private static func mend(_ isProjection: Bool, _ file: String) -> String {
    isProjection ? "nothing: the next run folds it anew (or delete \(file))" : HostCode.storeSwapped.mend
  }

  /// - Parameter lost: how many positions repairs of the log have given up.
  func judge(
    by log: LogReader, lost: UInt64, isRunning: Bool, _ report: DoctorReport
  ) throws(Diagnostic) {
    if let problem { return try report.add(name, .wrong, problem.found, problem.next) }
    guard let sight else { return try report.add(name, .well, "has not run yet", "moontide run") }
    if let fault = sight.fault {
      return try report.add(name, .wrong, "SQLite finds \(file) broken: \(fault)", mend)
    }
    let names = [definition.name, definition.was]
    guard names.contains(sight.identity.handler), sight.identity.kind == definition.kind else {
      return try report.add(
        name, .wrong, "\(file) is the file of \(sight.identity.kind.rawValue) \(sight.identity.handler)", mend
      )
    }
    if let mark = sight.mark, mark != log.mark {
      return try report.add(name, .wrong, "\(file) belongs to another log", mend)
    }
    // I6: no checkpoint beyond the durable end.
    if let beyond = sight.ledger.checkpoints.values.max(), beyond > log.durableEnd {
      return try report.add(
        name, .wrong,
        "its checkpoint \(beyond) lies beyond the end of the log \(log.durableEnd): the log was cut or "
          + "replaced",
        "restore the log that belongs to it; moontide events verify")
    }
    if !sight.changed.isEmpty {
      return try report.add(
        name, .wrong,
        "the rows of \(sight.changed.joined(separator: ", ")) are not those that were written: a bit "
          + "flipped, or "
          + "somebody changed them", "delete \(file); the next run folds it anew")
    }
    let relayed = log.sequenceEnd(of: definition.outboxProducer) ?? 0
    if let lost = lostOutbox(sight, relayed) { return try report.add(name, .wrong, lost, mend) }
    if !isProjection, relayed > sight.ledger.nextOutbox {
      return try report.add(
        name, .notable,
        "\(file) is older than the log, which has \(relayed) events of it where it emitted "
          + "\(sight.ledger.nextOutbox): it emits them again, under the same ids, and the log drops the "
          + "repeats",
        "")
    }
    if let before = sight.wentBackFrom {
      try report.add(
        name, .notable,
        "its checkpoint went back from \(before): an older copy, or a power cut",
        "nothing: the next run folds the rest")
    }
    try account(sight, log, lost: lost, report)
  }

  /// I4 and I7: what was emitted is in the outbox or in the log; nothing lies between.
  private func lostOutbox(_ sight: Sight, _ relayed: UInt64) -> String? {
    guard !isProjection else { return nil }
    let waiting = sight.outbox?.first ?? sight.ledger.nextOutbox
    if relayed < waiting {
      return
        "\(Counted.text(waiting - relayed, "event")) that it emitted are neither in its outbox nor in the log"
    }
    guard let outbox = sight.outbox else { return nil }
    let isDense = outbox.first + outbox.count == sight.ledger.nextOutbox
    return isDense
      ? nil
      : "its outbox has \(outbox.count) events from \(outbox.first) on, and \(sight.ledger.nextOutbox) "
        + "were emitted"
  }

  /// How many of the records that a saga holds, or has as dead letters, are events that it did not apply:
  /// timers, outcomes and migrations fail and wait too. Nil of another handler.
  private func eventsWaiting(_ ledger: HandlerLedger, _ log: LogReader) throws(Diagnostic) -> Int? {
    guard definition.kind == .saga else { return nil }
    let migrations = Set(ledger.parked.filter { $0.topic == .migrations }.map(\.position))
    var places = Set(ledger.deadCodes.keys)
    for parked in ledger.parked {
      places.insert(parked.position)
      places.formUnion(parked.held)
    }
    let batch = RecordBatch()
    return try LogError.told { () throws(LogError) in
      var count = 0
      for place in places.sorted() where !migrations.contains(place) && place < log.durableEnd {
        _ = try log.read(from: place, records: 1, bytes: 1, into: batch)
        guard let record = batch.records.first, record.position == place else { continue }
        if record.envelope.kind == .event { count += 1 }
      }
      return count
    }
  }

  /// I5: published = applied + lag + held + dead-lettered + skipped, as far as scripts and starts have not
  /// changed; and I10: what lags.
  private func account(
    _ sight: Sight, _ log: LogReader, lost: UInt64, _ report: DoctorReport
  ) throws(Diagnostic) {
    let ledger = sight.ledger
    let lag = try LagCounter(log: log).count(definition, from: ledger.checkpoints)
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    var found =
      "\(ledger.applied) applied, \(lag) before it, \(held) held, \(ledger.skipped) skipped, "
      + Counted.text(ledger.deadLetters, "dead letter")
    if sight.identity.scriptVersion == definition.scriptVersion,
      definition.start == nil || definition.start == .start
    {
      let published = try LogError.told { () throws(LogError) in
        try StartPlan.matching(definition, from: .start, log: log)
      }
      let waiting = try eventsWaiting(ledger, log) ?? held + ledger.deadLetters
      let sum = ledger.applied + lag + UInt64(waiting) + ledger.skipped
      if published != sum {
        return try report.add(
          name, isProjection ? .wrong : .notable, "\(found), but \(published) were published",
          isProjection
            ? "delete \(file); the next run folds it anew"
            : lost > 0
              ? "a repair of the log gave up \(Counted.text(lost, "position")), which it may have handled"
              : "its script or its start was edited since it began, or the file was replaced: "
                + "moontide dead ls"
        )
      }
      found = "\(published) published = \(found)"
    }
    if ledger.deadLetters > 0 { return try report.add(name, .notable, found, "moontide dead ls") }
    try report.add(name, .well, found, lag > 0 ? "moontide run" : "")
  }
}
