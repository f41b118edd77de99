import Glibc
import MoontideCore

/// Who may touch `data/`: one process. A `flock` on a file kept open, with the pid in it for messages, and
/// another on the folder, which nobody can unlink while there is something in it: should the file be deleted
/// under a running process, the next one still meets it. Both are of inodes: another mount or a link of the
/// same folder is the same. Released when the object is.
final class ProjectLock: @unchecked Sendable {
  // Unchecked: the descriptors are set once and only closed in deinit.

  /// How it ended when the lock could not be had.
  struct Held: Error, Sendable, Hashable {
    /// Of who holds it, as far as it is known.
    var pid: Int32?
  }

  /// What a lock keeps others from.
  enum Reach {
    /// The folder that the lock file is in, even if somebody deletes that file.
    case folder
    /// What is called like the lock file: others are in the same folder, with locks of their own.
    case file
  }

  private let descriptor: Int32
  private let folder: Int32?

  private init(descriptor: Int32, folder: Int32?) {
    self.descriptor = descriptor
    self.folder = folder
  }

  deinit {
    if let folder { close(folder) }
    close(descriptor)
  }

  /// Takes the lock at `path`, trying again for up to `patience`. The directory must exist.
  static func take(
    _ path: String, _ reach: Reach = .folder, patience: Duration
  ) throws(Diagnostic) -> Result<ProjectLock, Held> {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("open", path).diagnostic }
    var folder: Int32?
    if reach == .folder {
      let opened = open(above(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard opened >= 0 else {
        let fault = FileError.system("open", above(path))
        close(descriptor)
        throw fault.diagnostic
      }
      folder = opened
    }
    let lock = ProjectLock(descriptor: descriptor, folder: folder)
    var waited = Duration.zero
    while true {
      let blocked: Int32
      if try !tryLock(descriptor, path) {
        blocked = descriptor
      } else if let folder, try !tryLock(folder, above(path)) {
        blocked = folder
      } else {
        break
      }
      if waited >= patience { return .failure(Held(pid: lock.pid(of: blocked))) }
      usleep(20_000)
      waited += .milliseconds(20)
    }
    lock.write(pid: getpid())
    return .success(lock)
  }

  /// Whether a process holds the project now. Creates nothing; the lock file and its folder may be missing.
  static func isHeld(_ path: String, _ reach: Reach = .folder) throws(Diagnostic) -> Bool {
    let both = [(path, O_RDONLY), (above(path), O_RDONLY | O_DIRECTORY)]
    for (name, flags) in reach == .file ? both.prefix(1) : both[...] {
      let descriptor = open(name, flags | O_CLOEXEC)
      guard descriptor >= 0 else {
        // No lock was ever taken here.
        if errno == ENOENT { continue }
        throw FileError.system("open", name).diagnostic
      }
      defer { close(descriptor) }
      if flock(descriptor, LOCK_SH | LOCK_NB) != 0, errno == EWOULDBLOCK { return true }
    }
    return false
  }

  private static func above(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }

  /// False when somebody else has it. A file system that locks no folders, as NFS, is content with the file.
  private static func tryLock(_ descriptor: Int32, _ path: String) throws(Diagnostic) -> Bool {
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
    switch errno {
    case EWOULDBLOCK, EINTR: return false
    default:
      let fault = FileError.system("lock", path)
      if isFolder(descriptor), [EBADF, EINVAL, EOPNOTSUPP].contains(fault.errno) { return true }
      throw fault.diagnostic
    }
  }

  private static func isFolder(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Who holds what `descriptor` is open on: as the kernel lists its locks, and else as the file says.
  private func pid(of blocked: Int32) -> Int32? { ProjectLock.listed(blocked) ?? written() }

  /// `/proc/locks` has a line for each: `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`, with the pid, and
  /// the device (in base 16) and inode. <https://man7.org/linux/man-pages/man5/proc_locks.5.html>
  private static func listed(_ descriptor: Int32) -> Int32? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, let list = fopen("/proc/locks", "re") else { return nil }
    defer { fclose(list) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), list) != nil {
      let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
      guard words.count > 5, words[1] == "FLOCK", let pid = Int32(words[4]), pid > 0,
        let inode = words[5].split(separator: ":").last, UInt64(inode) == UInt64(status.st_ino)
      else { continue }
      return pid
    }
    return nil
  }

  private func written() -> Int32? {
    var buffer = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return nil }
    return Int32(String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
  }

  private func write(pid: Int32) {
    let text = Array("\(pid)\n".utf8)
    // Only for messages: a lock without a pid still locks.
    if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
  }
}

extension FileError {
  /// What `errno` says now.
  fileprivate static func system(_ operation: String, _ path: String) -> FileError {
    let code = Glibc.errno
    return FileError(operation: operation, path: path, errno: code, reason: String(cString: strerror(code)))
  }
}
