import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// Gives the files of two versions at one position: takes the copy of the live read model where it is one of
/// them, and folds what is missing.
struct DiffFolds {
  /// The two files, and what is known of the versions.
  struct Folded {
    /// Nil: it could not be folded to that position.
    var oldPath: String?
    var newPath: String
    /// Up to their end, and no further.
    var log: LogReader
    var decided: Int
    var report: DiffReport
  }

  /// Nil: it is the live read model, and its script is not known.
  let old: DiffScripts.Side?
  let new: DiffScripts.Side
  /// What stands for the old version; nil: there is none.
  let live: LiveCopy?
  let paths: ProjectPaths
  let files: any FileSystem
  let scratch: ScratchFiles

  func run(_ observer: any DiffObserver) throws(Diagnostic) -> Folded {
    let whole = try log(before: live?.end)
    if let live, whole.durableEnd != live.end {
      throw Diagnostic(
        .storeDamaged,
        "the read model of \(live.identity.handler) has come to \(live.end), and the log ends at "
          + "\(whole.durableEnd)")
    }
    let decided = if let live { live.decided } else { try decided(whole) }
    var folded = Folded(
      oldPath: live?.path, newPath: scratch.path("new.sqlite"), log: whole,
      decided: decided,
      report: DiffReport(old: oldVersion, new: version(new), end: whole.durableEnd))
    let missed = Missed()
    let halt = try fold(new, &folded, to: folded.newPath, missed, Self.newLabel, observer)
    if let halt {
      folded.report.new.halted = halt.place
      folded.report.notes.append("the new version halts: \(halt.fault.title)")
    }
    if halt != nil || live == nil { try foldOld(&folded, observer) }
    folded.report.end = folded.log.durableEnd
    folded.report.warnings = try FieldCensus(log: folded.log, catalog: new.catalog).warnings(missed.fields)
    return folded
  }

  static let oldLabel = "fold the old version"
  static let newLabel = "fold the new version"

  /// Up to where the new one has come; where the old one halts before that, the new one is folded once more.
  private func foldOld(_ folded: inout Folded, _ observer: any DiffObserver) throws(Diagnostic) {
    guard let old else {
      folded.oldPath = nil
      folded.report.notes.append("its rows were not compared: the script of the live read model is not kept")
      return
    }
    let path = scratch.path("old.sqlite")
    folded.oldPath = path
    guard let halt = try fold(old, &folded, to: path, Missed(), Self.oldLabel, observer) else { return }
    folded.report.old.halted = halt.place
    folded.report.new.halted = nil
    folded.report.notes = ["the old version halts: \(halt.fault.title)"]
    try scratch.remove("new.sqlite")
    // It came further before: it does not halt here.
    _ = try fold(new, &folded, to: folded.newPath, Missed(), Self.newLabel, observer)
  }

  /// - Returns: where it halted before the end of the log, which then ends there.
  private func fold(
    _ side: DiffScripts.Side, _ folded: inout Folded, to path: String, _ missed: Missed, _ label: String,
    _ observer: any DiffObserver
  ) throws(Diagnostic) -> (place: Position, fault: Diagnostic)? {
    var fold = FreshFold(
      definition: side.definition, catalog: side.catalog, log: folded.log, decided: folded.decided)
    fold.missed = { missed.note($0) }
    let outcome = try fold.run(to: path) { done, total throws(Diagnostic) in
      try observer.working(label, done: done, total: total)
    }
    try observer.done(label)
    guard case .halted(let place, let fault) = outcome, place < folded.log.durableEnd else { return nil }
    folded.log = try log(before: place)
    return (place, fault)
  }

  private func log(before end: Position?) throws(Diagnostic) -> LogReader {
    try DiffFolds.log(paths, files, before: end)
  }

  /// The log of the project, up to a position.
  static func log(
    _ paths: ProjectPaths, _ files: any FileSystem, before end: Position?
  ) throws(Diagnostic) -> LogReader {
    let segments = paths.log + "/segments"
    let isThere = try FileError.told { () throws(FileError) in
      guard try files.status(segments) != nil else { return false }
      return try !files.list(segments).isEmpty
    }
    guard isThere else {
      throw Diagnostic(
        .noSuchEvent, "the log is empty: there is nothing to fold", help: "moontide run --once")
    }
    return try LogError.told { () throws(LogError) in
      try LogReader(directory: paths.log, files: files, before: end, trusting: true)
    }
  }

  /// All that people decided about its dead letters.
  private func decided(_ log: LogReader) throws(Diagnostic) -> Int {
    try LogError.told { () throws(LogError) in
      try Rulings.load(of: (old ?? new).definition.identityName, from: log).decisions
    }
  }

  private var oldVersion: DiffReport.Version {
    if let old { return version(old) }
    return .init(
      name: live?.identity.handler ?? new.definition.identityName, origin: LiveCopy.origin,
      scriptVersion: live?.identity.scriptVersion ?? "")
  }

  private func version(_ side: DiffScripts.Side) -> DiffReport.Version {
    .init(
      name: side.definition.name, origin: side.origin, scriptVersion: side.definition.scriptVersion)
  }
}

/// Fields that a script asked events for in vain; noted on the thread that folds.
private final class Missed: Sendable {
  private let noted = Mutex<[MissedField]>([])

  func note(_ field: MissedField) { noted.withLock { $0.append(field) } }

  var fields: [MissedField] { noted.withLock { $0 } }
}
