import Glibc
import MoontideCore
import MoontideHost

/// Lines to stdout, all topics in one stream.
final class StandardOutputSink: FinishingByteSink {
  func write(_ bytes: [UInt8], topic: TopicName) throws(Diagnostic) {
    var rest = bytes
    while !rest.isEmpty {
      let sent = Glibc.write(STDOUT_FILENO, rest, rest.count)
      if sent < 0 {
        if errno == EINTR { continue }
        throw Diagnostic(
          code: HostCode.output.code, "the output takes no more: \(String(cString: strerror(errno)))")
      }
      // A pipe that is nearly full takes a part: seldom, so that a copy of the rest does no harm.
      rest = sent == rest.count ? [] : Array(rest[sent...])
    }
  }

  func finish() throws(Diagnostic) {}
}
