import Glibc
import MoontideCore

/// Who may touch `data/`: one writer, or any number of readers. A `flock` on a file kept open; the writer's
/// pid stands in it for messages. Released when the object is.
final class ProjectLock: @unchecked Sendable {
  // Unchecked: the descriptor is set once and only closed in deinit.
  enum Mode: Sendable, Hashable {
    case exclusive
    case shared
  }

  /// How it ended when the lock could not be had.
  struct Held: Error, Sendable, Hashable {
    /// Of the writer, if it left one.
    var pid: Int32?
  }

  private let descriptor: Int32

  private init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Takes the lock at `path`, trying again for up to `patience`. The directory must exist.
  static func take(
    _ path: String, _ mode: Mode, patience: Duration
  ) throws(Diagnostic) -> Result<ProjectLock, Held> {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      let reason = String(cString: strerror(errno))
      throw FileError(operation: "open", path: path, errno: errno, reason: reason).diagnostic
    }
    let lock = ProjectLock(descriptor: descriptor)
    let flag = (mode == .exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB
    var waited = Duration.zero
    while flock(descriptor, flag) != 0 {
      if errno != EWOULDBLOCK && errno != EINTR {
        let reason = String(cString: strerror(errno))
        throw FileError(operation: "lock", path: path, errno: errno, reason: reason).diagnostic
      }
      if waited >= patience { return .failure(Held(pid: lock.pid())) }
      usleep(20_000)
      waited += .milliseconds(20)
    }
    if mode == .exclusive { lock.write(pid: getpid()) }
    return .success(lock)
  }

  /// Whether a writer holds the project now. Creates nothing; the lock file's folder may be missing.
  static func isHeld(_ path: String) throws(Diagnostic) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      // No lock was ever taken here.
      if errno == ENOENT { return false }
      let reason = String(cString: strerror(errno))
      throw FileError(operation: "open", path: path, errno: errno, reason: reason).diagnostic
    }
    let lock = ProjectLock(descriptor: descriptor)
    return flock(lock.descriptor, LOCK_SH | LOCK_NB) != 0
  }

  private func pid() -> Int32? {
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
