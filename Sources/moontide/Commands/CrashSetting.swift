import Glibc
import MoontideCore

/// `MOONTIDE_CRASH_AT`: the place at which this process is to kill itself.
enum CrashSetting {
  static let name = "MOONTIDE_CRASH_AT"

  /// Arms it, if the environment asks for it.
  static func arm() throws(Diagnostic) {
    guard let value = getenv(name) else { return }
    let text = String(cString: value)
    guard let (point, time) = CrashPoint.parse(text) else {
      var problem = Diagnostic(
        code: CommandCode.crashPoint.code, "\(name) is NAME or NAME:N, not “\(text)”")
      let asked = text.split(separator: ":").first.map(String.init) ?? ""
      if let near = Suggestion.nearest(to: asked, among: CrashPoint.allCases.map(\.rawValue)) {
        problem = problem.adding("help", "did you mean \(near)?")
      }
      throw problem.adding("help", "moontide explain \(CommandCode.crashPoint.code)")
    }
    CrashPoint.arm(point, time: time) {
      kill(getpid(), SIGKILL)
      // Nothing of this process goes on, on no thread.
      while true { pause() }
    }
  }
}
