import Glibc

/// Text for a person at a terminal: what is longer than the screen goes to the pager. Used for one answer, by
/// one thread.
final class ScreenSink: TextSink {
  private let pager: Pager?
  private let rows: Int
  private let output = StreamSink.standardOutput()
  private var held = ""
  private var lines = 0
  private var running: Pager.Running?
  private var isPassing: Bool
  /// Told once an answer is longer than the screen and there is no pager.
  private let missing: (() throws(OutputClosed) -> Void)?

  /// - Parameters:
  ///   - rows: of the terminal.
  ///   - missing: says that there is no pager, once one is missed.
  init(_ pager: Pager?, rows: Int, missing: (() throws(OutputClosed) -> Void)? = nil) {
    self.pager = pager
    self.missing = missing
    // The statement, the count and the next prompt are to stay on the screen.
    self.rows = max(4, rows - 3)
    isPassing = pager == nil && missing == nil
  }

  /// Whether a pager has been started.
  var isPaged: Bool { running != nil }

  func write(_ text: String) throws(OutputClosed) {
    if let running { return try send(text, to: running.descriptor) }
    if isPassing { return try output.write(text) }
    held += text
    lines += text.utf8.count { $0 == UInt8(ascii: "\n") }
    if lines <= rows { return }
    guard let started = pager?.start() else {
      isPassing = true
      try missing?()
      return try flush()
    }
    running = started
    let all = held
    held = ""
    try send(all, to: started.descriptor)
  }

  private func send(_ text: String, to descriptor: Int32) throws(OutputClosed) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withContiguousStorageIfAvailable {
        Glibc.write(descriptor, $0.baseAddress, $0.count)
      }
      guard let written, written >= 0 else {
        // Ctrl-C while the pager reads nothing: the answer ends here.
        throw OutputClosed(errno: errno == EINTR ? EPIPE : errno)
      }
      rest = rest.dropFirst(written)
    }
  }

  private func flush() throws(OutputClosed) {
    let all = held
    held = ""
    try output.write(all)
  }

  /// The answer is whole, or was given up; waits for the pager.
  func finish() throws(OutputClosed) {
    running?.finish()
    if running == nil { try flush() }
  }
}
