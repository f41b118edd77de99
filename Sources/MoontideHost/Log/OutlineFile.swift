import MoontideCore

/// The outline of a project's log as a file, `.moontide/as-of/outline`: a cache that several processes read
/// and replace.
struct OutlineFile: Sendable {
  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock
  private let randomness: any Randomness

  init(
    _ paths: ProjectPaths, _ files: any FileSystem, _ clock: any WallClock, _ randomness: any Randomness
  ) {
    self.paths = paths
    self.files = files
    self.clock = clock
    self.randomness = randomness
  }

  /// Nil when there is none.
  func read() throws(FileError) -> [UInt8]? {
    guard try files.status(paths.outline) != nil else { return nil }
    return try files.contents(paths.outline, bytesMax: Limits.outlineBytesMax)
  }

  /// Puts it in the place of the one that is there. Without room on the disk nothing is written: it only
  /// saves time.
  func write(_ bytes: [UInt8]) throws(FileError) {
    try sweep()
    let beside = "\(paths.outline).new-\(randomness.next())"
    do throws(FileError) {
      try files.open(beside, .create).write(bytes, 0..<bytes.count, at: 0)
      try files.rename(beside, to: paths.outline)
    } catch {
      try files.remove(beside)
      guard error.isFullDisk else { throw error }
    }
  }

  /// Removes what a process left that was killed while it wrote one.
  private func sweep() throws(FileError) {
    try files.createDirectory(paths.asOf)
    for name in try files.list(paths.asOf) where name.hasPrefix("outline.new-") {
      guard let status = try files.status("\(paths.asOf)/\(name)"),
        clock.now.microseconds - status.modifiedMicroseconds
          > Int64(Limits.leftoverAge / .microseconds(1))
      else { continue }
      try files.remove("\(paths.asOf)/\(name)")
    }
  }
}
