/// The seam to files. Paths are absolute or relative to the working directory; calls may come from any
/// thread. Production has `PosixFileSystem`; tests and the simulator bring their own.
public protocol FileSystem: Sendable {
  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File
  /// Names in the directory, without `.` and `..`, sorted by bytes.
  func list(_ directory: String) throws(FileError) -> [String]
  /// Nil when nothing is there.
  func status(_ path: String) throws(FileError) -> FileStatus?
  /// With all directories above it; no error when it exists.
  func createDirectory(_ path: String) throws(FileError)
  /// Replaces the target at once. Durable only after `syncDirectory`.
  func rename(_ from: String, to: String) throws(FileError)
  /// Gives a file a second name, at which nothing is. Where files have one name only it is copied: then both
  /// are of equal bytes, and go their own ways. Durable only after `syncDirectory`.
  func link(_ from: String, to: String) throws(FileError)
  /// No error when nothing is there.
  func remove(_ path: String) throws(FileError)
  /// Makes creations, renames and removals in the directory durable.
  func syncDirectory(_ path: String) throws(FileError)
  /// How much room there is where the directory lies; nil where that is not known.
  func room(_ directory: String) throws(FileError) -> FileRoom?
}

/// Bytes of a file system.
public struct FileRoom: Sendable, Hashable {
  /// What this process may still take.
  public var free: UInt64
  public var total: UInt64
  public init(free: UInt64, total: UInt64) {
    self.free = free
    self.total = total
  }
}

public enum FileMode: Sendable, Hashable {
  case read
  /// Reads and writes; creates the file when it is missing.
  case readWrite
  /// Reads and writes a file that must not exist yet.
  case create
}

public struct FileStatus: Sendable, Hashable {
  public var bytes: UInt64
  public var isDirectory: Bool
  /// Neither a directory nor a pipe, socket or device: reading such a one may wait for ever.
  public var isRegular: Bool
  public var inode: UInt64
  /// Tells files of one inode on two file systems apart; 0 where there are no such.
  public var device: UInt64 = 0
  /// Microseconds since 1970.
  public var modifiedMicroseconds: Int64
  /// What is no directory counts as a regular file here.
  public init(bytes: UInt64, isDirectory: Bool, inode: UInt64, modifiedMicroseconds: Int64) {
    self.bytes = bytes
    self.isDirectory = isDirectory
    isRegular = !isDirectory
    self.inode = inode
    self.modifiedMicroseconds = modifiedMicroseconds
  }
}

/// An open file; closed when it is released. Positional calls may come from any thread.
public protocol File: AnyObject, Sendable {
  /// Reads up to `count` bytes at `offset` into `buffer` at `index` (the buffer must hold them) and returns
  /// how many there were; fewer only at the end of the file.
  func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError) -> Int
  /// Writes all of `bytes[range]` at `offset`, or throws; then an unknown part may be written.
  func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError)
  /// `fdatasync`. After a failure the state of the file on disk is unknown; never retried.
  func sync() throws(FileError)
  func size() throws(FileError) -> UInt64
  func truncate(to bytes: UInt64) throws(FileError)
}

public struct FileError: Error, Sendable, Hashable {
  /// What was tried: `open`, `read`, `write`, `sync`, …
  public var operation: String
  public var path: String
  /// The `errno` of the system.
  public var errno: Int32
  /// The system's text for it.
  public var reason: String
  public init(operation: String, path: String, errno: Int32, reason: String) {
    self.operation = operation
    self.path = path
    self.errno = errno
    self.reason = reason
  }
}

extension FileError {
  /// EAGAIN, ENOMEM, ENFILE, EMFILE, ENOSPC and EDQUOT of Linux.
  private static let passing: Set<Int32> = [11, 12, 23, 24, 28, 122]
  private static let full: Set<Int32> = [28, 122]

  /// Whether the system is short of something that may come back: room on the disk, file descriptors, memory.
  /// The same call may succeed later. A sync that failed is never among them: what it left is unknown.
  public var isPassing: Bool { operation != "sync" && FileError.passing.contains(errno) }

  /// Whether it is room on the disk that is short.
  public var isFullDisk: Bool { operation != "sync" && FileError.full.contains(errno) }
}

extension FileSystem {
  /// For file systems that have no end.
  public func room(_ directory: String) throws(FileError) -> FileRoom? { nil }

  /// For file systems whose files have one name.
  public func link(_ from: String, to: String) throws(FileError) {
    let source = try open(from, .read)
    let target = try open(to, .create)
    let bytes = try source.size()
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    var offset: UInt64 = 0
    while offset < bytes {
      let wanted = Int(min(UInt64(piece.count), bytes - offset))
      let count = try source.read(at: offset, count: wanted, into: &piece, at: 0)
      if count == 0 { break }
      try target.write(piece, 0..<count, at: offset)
      offset += UInt64(count)
    }
  }

  /// The first `bytesMax` bytes of a file.
  public func contents(_ path: String, bytesMax: Int) throws(FileError) -> [UInt8] {
    let file = try open(path, .read)
    let count = Int(min(try file.size(), UInt64(bytesMax)))
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let read = try file.read(at: UInt64(done), count: count - done, into: &bytes, at: done)
      if read == 0 { break }
      done += read
    }
    return Array(bytes[..<done])
  }
}
