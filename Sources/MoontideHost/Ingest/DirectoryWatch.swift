import Glibc
import Synchronization

/// Tells that something changed in folders, by inotify; where the system has no watches left, waiting is just
/// waiting, and the caller looks again. `wait` belongs to one thread, `add` to the same.
///
/// `@unchecked Sendable`: it is made on one thread and then owned by another.
public final class DirectoryWatch: @unchecked Sendable {
  private let descriptor: Int32
  private var folders: Set<String> = []
  private var isComplete: Bool
  /// The longest wait when a folder could not be watched.
  private let pollMilliseconds: Int32 = 200

  public init() {
    descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    isComplete = descriptor >= 0
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Watches a folder (not those below it); no effect when it is watched already.
  public func add(_ folder: String) {
    guard descriptor >= 0, folders.insert(folder).inserted else { return }
    let events = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB
    if inotify_add_watch(descriptor, folder, UInt32(events)) < 0 {
      folders.remove(folder)
      isComplete = false
    }
  }

  /// Blocks until something changed, at the longest for `timeout`; returns whether something did.
  @discardableResult
  public func wait(for timeout: Duration) -> Bool {
    let (seconds, attoseconds) = timeout.components
    var milliseconds = Int32(clamping: seconds * 1_000 + attoseconds / 1_000_000_000_000_000)
    if !isComplete { milliseconds = min(milliseconds, pollMilliseconds) }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // A negative descriptor is passed over by poll: a plain wait.
    guard poll(&request, 1, milliseconds) > 0 else { return false }
    drain()
    return true
  }

  /// Which folder it was does not matter: the next scan looks at all of them. A folder that was removed and made
  /// anew needs a new watch, so a removed one is forgotten.
  private func drain() {
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    var wasRemoved = false
    while true {
      let count = read(descriptor, &bytes, bytes.count)
      if count <= 0 { break }
      var at = 0
      while at + MemoryLayout<inotify_event>.size <= count {
        let event = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: inotify_event.self) }
        if event.mask & UInt32(IN_IGNORED) != 0 { wasRemoved = true }
        at += MemoryLayout<inotify_event>.size + Int(event.len)
      }
    }
    // Adding a watch that is there again is free.
    if wasRemoved { folders.removeAll() }
  }
}
