import CEdit
import Glibc

/// The program that answers longer than the screen are shown with.
struct Pager {
  /// For the shell.
  let command: String

  /// Of `PAGER`, else `less -RS` when it is there. Nil: answers scroll; `missing` then says why, for a
  /// person, unless that is what was asked for (an empty `PAGER`, or `cat`).
  static func find() -> (pager: Pager?, missing: String?) {
    guard let asked = getenv("PAGER").map({ String(cString: $0) }) else {
      if isThere("less") { return (Pager(command: "less -RS"), nil) }
      return (nil, "long answers scroll by: less is not installed, and PAGER names no other pager")
    }
    let program = asked.split(separator: " ").first.map(String.init) ?? ""
    if program.isEmpty || program == "cat" { return (nil, nil) }
    if isThere(program) {
      return (Pager(command: program == "less" && asked == "less" ? "less -RS" : asked), nil)
    }
    return (nil, "long answers scroll by: PAGER names \(program), which is not on the PATH")
  }

  private static func isThere(_ program: String) -> Bool {
    if program.contains("/") { return access(program, X_OK) == 0 }
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    return path.split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
  }

  /// Starts it; nil when the system has no room for another process.
  func start() -> Running? {
    var process: Int32 = 0
    let descriptor = mt_pager_start(command, &process)
    return descriptor < 0 ? nil : Running(descriptor: descriptor, process: process)
  }

  /// One that shows something.
  struct Running {
    let descriptor: Int32
    let process: Int32

    /// Nothing more comes; returns when the person has seen enough. A second Ctrl-C ends it.
    func finish() {
      close(descriptor)
      var interrupts = 0
      while mt_pager_wait(process) != 0 {
        interrupts += 1
        if interrupts > 1 { kill(process, SIGTERM) }
      }
    }
  }
}
