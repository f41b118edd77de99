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
    try FileError.told { () throws(FileError) in
      try sweepOutlines()
      let beside = "\(paths.outline).new-\(randomness.next())"
      do throws(FileError) {
        try files.open(beside, .create).write(bytes, 0..<bytes.count, at: 0)
        try files.rename(beside, to: paths.outline)
      } catch {
        try files.remove(beside)
        // It only saves time: without room there is none.
        guard error.isFullDisk else { throw error }
      }
    }
    return outline
  }

  /// Removes what a process left that was killed while it wrote one.
  private func sweepOutlines() throws(FileError) {
    try files.createDirectory(paths.asOf)
    for name in try files.list(paths.asOf) where name.hasPrefix("outline.new-") {
      guard let status = try files.status("\(paths.asOf)/\(name)"),
        clock.now.microseconds - status.modifiedMicroseconds
          > Int64(Limits.leftoverAge / .microseconds(1))
      else { continue }
      try files.remove("\(paths.asOf)/\(name)")
    }
  }

  private func known(of log: LogReader) throws(Diagnostic) -> TimeOutline? {
    let bytes = try FileError.told { () throws(FileError) -> [UInt8]? in
      guard try files.status(paths.outline) != nil else { return nil }
      return try files.contents(paths.outline, bytesMax: Limits.outlineBytesMax)
    }
    return try LogError.told { () throws(LogError) in
      guard let bytes else { return nil }
      return try TimeOutline(bytes, of: log)
    }
  }
}
