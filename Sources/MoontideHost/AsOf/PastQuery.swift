public import MoontideCore
import MoontideSQLite

/// Asks read models as they were: folds those that a statement names up to a past moment, into files that are
/// kept for the next question, and runs the statement over them. Takes no lock and changes nothing but
/// `.moontide/as-of`: works beside a run and without one, any number at once. Use it on a thread with a stack
/// of 2 MiB or more.
public struct PastQuery {
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock
  private let randomness: any Randomness

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
    clock = SystemSurroundings.clock
    randomness = SystemSurroundings.randomness
  }

  /// Hands the rows of one read-only statement to `sink`. Its `timeout` does not count the folding; its
  /// `after` is met by itself, since the log is read.
  /// - Parameter observer: hears what the moment came to, how far a fold is, and what a person should know.
  /// - Throws: what the query would throw; `noSuchEvent` for a moment that names a record that is not there;
  ///   `afterToken` for a token of another log; why a projection halts, or what is wrong with its script.
  public func run(
    _ request: QueryRequest, at moment: PastMoment, to sink: any RowSink, observer: any PastObserver
  ) throws(Diagnostic) {
    let models = try PastModels(paths, moment, files: files, clock: clock, randomness: randomness, observer)
    try observer.resolved(models.description)
    try request.requireToken(of: models.log)
    try models.noteEmptiness(observer)
    var session = QuerySession(
      paths: paths, files: files, clock: clock, tables: models.tables(asking: "--as-of and --as-known"))
    session.made = .init(catalog: try models.catalog()) { name throws(Diagnostic) in
      try models.path(name, observer)
    }
    try session.run(request, to: sink)
  }
}

/// Hears of the work behind a question about read models of the past; called on its thread. What it throws
/// ends the question.
public protocol PastObserver: MomentObserver {
  /// A read model is folded, or (`times`) the log is looked through: how many records of how many.
  func folding(_ name: String, done: UInt64, total: UInt64) throws(Diagnostic)
  /// That is done.
  func folded(_ name: String) throws(Diagnostic)
}
