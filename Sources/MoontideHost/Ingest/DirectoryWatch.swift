import Glibc

/// Tells that something changed in folders, by inotify; where the system has no watches left, waiting is
/// just waiting, and the caller looks again. `wait` belongs to one thread, `add` to the same.
///
/// `@unchecked Sendable`: it is made on one thread and then owned by another.
public final class DirectoryWatch: @unchecked Sendable {
  private let descriptor: Int32
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

  /// Watches a folder (not those below it). To be called again after each look at the directory: a folder
  /// that was removed and made anew is another one, and a folder that is watched already costs one system
  /// call.
  public func add(_ folder: String) {
    guard descriptor >= 0 else { return }
    let events = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB
    // A folder that has just gone needs no watch.
    if inotify_add_watch(descriptor, folder, UInt32(events)) < 0, errno != ENOENT { isComplete = false }
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

  /// Which folder it was does not matter: the next scan looks at all of them.
  private func drain() {
    var bytes = [UInt8](repeating: 0, count: 16 << 10)
    while read(descriptor, &bytes, bytes.count) > 0 {}
  }
}
