import Glibc
import MoontideCore

/// Keeps the opening of a store's file apart from a change of its name: the swap of a read model, a handler
/// that is renamed, one that is put away.
///
/// SQLite opens a file, and later, by its name, the write-ahead log beside it. Should another file get that
/// name in between, it would read the pages of one with the log of the other. So whoever opens a file of a
/// folder for reading holds this lock in shared use until the log beside it is open too, and whoever renames
/// holds it alone for the few renames. From then on readers keep what they have open, whatever its name.
///
/// It is a `flock` on the folder itself, which is there whenever there is something to read, also on a disk
/// that is read-only. So that readers who come one after another do not keep a swap waiting for ever, it has
/// a gate: a file `.swap` in the folder, locked on the way in. Where a file system knows no such locks, or
/// somebody was stopped while he held one, everything goes on after a while: a reader then looks whether the
/// file still has its name (`Connection.hasMoved`). Any thread; each call stands for itself.
public enum SwapLock {
  private static let pause: UInt32 = 200

  /// Runs `body`, which opens `path` and reads from it once, while nothing in its folder is swapped.
  static func opening<Value, Failure: Error>(
    _ path: String, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try looking(in: folder(of: path), body)
  }

  /// Runs `body`, which looks at what there is in `folder`, while nothing in it is swapped, renamed or put
  /// away. It opens no store: who waits for the lock again while he has it keeps a swap waiting.
  public static func looking<Value, Failure: Error>(
    in folder: String, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let gate = open(gate(of: folder), O_RDONLY | O_CLOEXEC)
    if gate >= 0 { _ = take(gate, LOCK_SH, for: Limits.swapReaderPatience) }
    let room = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if room >= 0 { _ = take(room, LOCK_SH, for: Limits.swapReaderPatience) }
    if gate >= 0 { close(gate) }
    defer { if room >= 0 { close(room) } }
    return try body()
  }

  /// Runs `body`, which renames files in `folder`, while nobody opens one there.
  public static func swapping<Value, Failure: Error>(
    in folder: String, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let gate = open(gate(of: folder), O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    let room = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer {
      for descriptor in [room, gate] where descriptor >= 0 { close(descriptor) }
    }
    if room >= 0 {
      for _ in 0..<Limits.swapTriesMax {
        if gate >= 0 { _ = take(gate, LOCK_EX, for: Limits.swapPatience) }
        if take(room, LOCK_EX, for: Limits.swapPatience) { break }
        // Those that wait at the gate go in, and the one that opens slowly has time to end.
        if gate >= 0 { flock(gate, LOCK_UN) }
        usleep(20 * pause)
      }
    }
    return try body()
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func gate(of folder: String) -> String { folder + "/.swap" }

  /// False when somebody else held it for all that time. True too where there are no such locks: NFS locks no
  /// folders.
  private static func take(_ descriptor: Int32, _ kind: Int32, for patience: Duration) -> Bool {
    var waited = Duration.zero
    while flock(descriptor, kind | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else { return true }
      if waited >= patience { return false }
      usleep(pause)
      waited += .microseconds(Int64(pause))
    }
    return true
  }
}
