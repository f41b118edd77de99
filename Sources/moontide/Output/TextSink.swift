import Glibc

/// Where text goes: a stream of the process, or a string in tests. Owned by one thread.
protocol TextSink: AnyObject {
  /// Writes all of `text`, or throws `OutputClosed`.
  func write(_ text: String) throws(OutputClosed)
}

/// The stream does not take more: the reader of a pipe is gone, or the disk is full.
struct OutputClosed: Error, Sendable, Equatable {
  /// The `errno` of the write; `EPIPE` is no fault of anyone and ends a command quietly.
  var errno: Int32
}

/// stdout or stderr, written unbuffered in the pieces that it gets.
final class StreamSink: TextSink {
  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  static func standardOutput() -> StreamSink { StreamSink(STDOUT_FILENO) }
  static func standardError() -> StreamSink { StreamSink(STDERR_FILENO) }

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

/// Keeps what is written.
final class StringSink: TextSink {
  private(set) var text = ""

  func write(_ text: String) throws(OutputClosed) { self.text += text }
}
