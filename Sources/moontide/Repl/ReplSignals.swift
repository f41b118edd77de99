import Glibc
import MoontideCore

/// Ctrl-C in the REPL stops what runs and nothing else.
enum ReplSignals {
  /// Set by the signal; renewed before each statement.
  static let cancellation = QueryCancellation()

  /// Calls that wait are interrupted too.
  static func install() {
    // The handler finds it made.
    cancellation.renew()
    // Without SA_RESTART: what waits is to look up.
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in ReplSignals.cancellation.cancel() }
    sigaction(SIGINT, &action, nil)
    var asked = sigset_t()
    sigemptyset(&asked)
    sigaddset(&asked, SIGINT)
    sigprocmask(SIG_UNBLOCK, &asked, nil)
  }
}
