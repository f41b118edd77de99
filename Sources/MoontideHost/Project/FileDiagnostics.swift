public import MoontideCore
import MoontideRuntime

extension Diagnostic {
  /// The system is short of something that comes back: who meets it waits and tries again.
  init(passing title: String, help: String) {
    self.init(code: RuntimeCode.storeFull.code, title, details: [Detail("help", help)])
  }

  /// Whether what it tells passes by itself, or by somebody's hand outside of this process.
  var isPassing: Bool { code == RuntimeCode.storeFull.code }

  /// The same from one who waits for it to pass.
  var asWarning: Diagnostic { asWarning("waits, and goes on by itself") }

  /// The same from one who does not wait.
  var asFault: Diagnostic {
    var copy = self
    copy.severity = .error
    copy.details = details.filter { $0.label != "state" }.map {
      Detail($0.label, $0.text.replacing("; it goes on by itself", with: ""))
    }
    return copy
  }

  /// - Parameter state: what comes of it.
  func asWarning(_ state: String) -> Diagnostic {
    var copy = self
    copy.severity = .warning
    copy.details.append(Detail("state", state))
    return copy
  }
}

extension FileError {
  /// The same for a person.
  var diagnostic: Diagnostic {
    if isPassing {
      return Diagnostic(
        passing: "cannot \(operation) \(path): \(reason)",
        help: isFullDisk
          ? "free some space: df -h" : "close what holds files open, or raise ulimit -n")
    }
    return Diagnostic(
      code: HostCode.file.code, "cannot \(operation) \(path): \(reason)",
      details: [.init("help", help)])
  }

  private var help: String {
    switch errno {
    // EROFS
    case 30: "the file system is mounted read-only: mount it writable, or work on a copy"
    // EACCES, EPERM
    case 13, 1: "this user may not do that: run as the owner of the folder, or change its rights"
    // EFBIG
    case 27: "a file may not become so large for this process: raise ulimit -f"
    default: "check that the path exists and that this user may use it"
    }
  }

  /// Runs `body` and tells a failure as a diagnostic.
  public static func told<T>(_ body: () throws(FileError) -> T) throws(Diagnostic) -> T {
    do throws(FileError) { return try body() } catch { throw error.diagnostic }
  }
}
