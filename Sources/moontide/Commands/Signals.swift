import Glibc
import Synchronization

/// Ctrl-C and its like: the first asks a run to end, the second ends the process.
enum Signals {
  private static let count = Atomic<Int>(0)
  private static let hangups = Atomic<Int>(0)

  /// How many requests to end have come.
  static var received: Int { count.load(ordering: .relaxed) }

  /// Writing to a closed pipe, or beyond a file size limit, becomes an error of the call instead of the end
  /// of the process.
  static func ignoreRefusedWrites() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// How often SIGHUP came; see `install`.
  static var hungUp: Int { hangups.load(ordering: .relaxed) }

  /// Takes requests to end; see `received`.
  /// - Parameter reloads: whether SIGHUP is no such request. One that comes because the terminal has gone
  ///   still is.
  static func install(reloads: Bool = false) {
    // A parent may have started this process with signals blocked, which are inherited.
    var asked = sigset_t()
    sigemptyset(&asked)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { _ in Signals.receive() }
      sigaddset(&asked, number)
    }
    if reloads {
      let isTerminal = isatty(STDERR_FILENO) == 1
      hadTerminal.store(isTerminal, ordering: .relaxed)
      signal(SIGHUP) { _ in Signals.hangUp() }
    }
    sigprocmask(SIG_UNBLOCK, &asked, nil)
  }

  private static let hadTerminal = Atomic<Bool>(false)

  /// In the signal handler too: `tcgetpgrp` is among what may be called there, and fails once the terminal
  /// has hung up. <https://man7.org/linux/man-pages/man7/signal-safety.7.html>
  private static func hangUp() {
    if hadTerminal.load(ordering: .relaxed), tcgetpgrp(STDERR_FILENO) < 0, errno != ENOTTY {
      return receive()
    }
    hangups.add(1, ordering: .relaxed)
  }

  /// Runs in the signal handler: nothing but an atomic and `_exit` may be used here.
  private static func receive() {
    if count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
  }
}
