import Glibc
import MoontideCore

/// A file that text is written to, as `.output` names it. Closed with the object.
final class FileSink: TextSink {
  let path: String
  private let descriptor: Int32

  /// Begins the file anew.
  /// - Throws: `E0603` when the system refuses it.
  init(_ path: String) throws(Diagnostic) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if descriptor < 0 {
      let code = errno
      throw Diagnostic(
        code: CommandCode.replFile.code, "cannot write \(path): \(String(cString: strerror(code)))",
        details: [.init("help", "rows go where they went before")])
    }
  }

  deinit { close(descriptor) }

  func write(_ text: String) throws(OutputClosed) {
    var rest = Array(text.utf8)
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw OutputClosed(errno: errno)
      }
      rest.removeFirst(written)
    }
  }
}
