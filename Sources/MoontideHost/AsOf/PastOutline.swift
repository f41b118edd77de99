import MoontideCore
import MoontideLog

/// The outline of a log's times, kept in `.moontide/as-of` from question to question.
struct PastOutline {
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock
  private let randomness: any Randomness

  init(_ paths: ProjectPaths, files: any FileSystem, clock: any WallClock, randomness: any Randomness) {
    self.paths = paths
    self.files = files
    self.clock = clock
    self.randomness = randomness
  }

  /// The outline of all of the log, written down again when it had to be made longer.
  func read(of log: LogReader, _ observer: any PastObserver) throws(Diagnostic) -> TimeOutline {
    var outline = try known(of: log) ?? TimeOutline()
    guard outline.end < log.durableEnd else { return outline }
    let batch = RecordBatch()
    while try LogError.told({ () throws(LogError) in try outline.extend(by: log, using: batch) }) {
      try observer.folding("times", done: outline.end.value, total: log.durableEnd.value)
    }
    try observer.folded("times")
    let bytes = try LogError.told { () throws(LogError) in try outline.encoded(for: log) }
    let file = OutlineFile(paths, files, clock, randomness)
    try FileError.told { () throws(FileError) in try file.write(bytes) }
    return outline
  }

  private func known(of log: LogReader) throws(Diagnostic) -> TimeOutline? {
    let bytes = try FileError.told { () throws(FileError) in
      try OutlineFile(paths, files, clock, randomness).read()
    }
    return try LogError.told { () throws(LogError) in
      guard let bytes else { return nil }
      return try TimeOutline(bytes, of: log)
    }
  }
}
