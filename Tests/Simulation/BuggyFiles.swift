import Glibc
import MoontideCore

/// A file system behind a mistake.
struct BuggyFiles: FileSystem {
  let files: any FileSystem
  let bug: PlantedBug
  let numbers: SeededNumbers

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    BuggyFile(try files.open(path, mode), path, bug, numbers)
  }
  func list(_ directory: String) throws(FileError) -> [String] { try files.list(directory) }
  func status(_ path: String) throws(FileError) -> FileStatus? { try files.status(path) }
  func createDirectory(_ path: String) throws(FileError) { try files.createDirectory(path) }
  func rename(_ from: String, to: String) throws(FileError) {
    if bug == .swapIsForgotten, from.contains(".rebuilding.") { return }
    try files.rename(from, to: to)
  }
  func remove(_ path: String) throws(FileError) { try files.remove(path) }
  func syncDirectory(_ path: String) throws(FileError) {
    if bug != .directoriesAreNotSynced { try files.syncDirectory(path) }
  }
}

/// `@unchecked Sendable`: a simulation is one thread.
private final class BuggyFile: File, @unchecked Sendable {
  private let file: any File
  private let isLog: Bool
  private let isRebuilt: Bool
  private let bug: PlantedBug
  private let numbers: SeededNumbers

  init(_ file: any File, _ path: String, _ bug: PlantedBug, _ numbers: SeededNumbers) {
    self.file = file
    isLog = SimulatedDisk.isOfLog(path)
    isRebuilt = path.contains(".rebuilding.")
    self.bug = bug
    self.numbers = numbers
  }

  func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError) -> Int
  { try file.read(at: offset, count: count, into: &buffer, at: index) }

  func size() throws(FileError) -> UInt64 { try file.size() }

  func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {
    switch bug {
    case .writeIsLost where numbers.chance(0.01): return
    case .writeLandsTwoBytesLater where isLog && numbers.chance(0.01):
      try file.write(bytes, range, at: offset + 2)
    case .shortWriteIsTakenForWhole where numbers.chance(0.01):
      try file.write(bytes, range.prefix(range.count / 2), at: offset)
    case .fullDiskIsTakenForWritten:
      do { try file.write(bytes, range, at: offset) } catch { if error.errno != ENOSPC { throw error } }
    default: try file.write(bytes, range, at: offset)
    }
  }

  func sync() throws(FileError) {
    switch bug {
    case .logIsNotSynced where isLog: return
    case .storesAreNotSynced where !isLog: return
    case .rebuiltFileIsNotSynced where isRebuilt: return
    case .failedSyncIsIgnored, .failedSyncIsRetried:
      do { try file.sync() } catch { if bug == .failedSyncIsRetried { try file.sync() } }
    default: try file.sync()
    }
  }

  func truncate(to bytes: UInt64) throws(FileError) {
    try file.truncate(to: bug == .truncationIsOffByOne && isLog && bytes > 0 ? bytes - 1 : bytes)
  }
}
