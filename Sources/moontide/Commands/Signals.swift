import Glibc
import Synchronization

/// Ctrl-C and its like: the first asks a run to end, the second ends the process.
enum Signals {
  private static let count = Atomic<Int>(0)

  /// How many requests to end have come.
  static var received: Int { count.load(ordering: .relaxed) }

  /// Writing to a closed pipe, or beyond a file size limit, becomes an error of the call instead of the end
  /// of the process.
  static func ignoreRefusedWrites() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Takes requests to end; see `received`.
  static func install() {
    // A parent may have started this process with signals blocked, which are inherited.
    var asked = sigset_t()
    sigemptyset(&asked)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { _ in Signals.receive() }
      sigaddset(&asked, number)
    }
    sigprocmask(SIG_UNBLOCK, &asked, nil)
  }

  /// Runs in the signal handler: nothing but an atomic and `_exit` may be used here.
  private static func receive() {
    if count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
  }
}
