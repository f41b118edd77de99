import CEdit
import MoontideCore

/// Lines from a person at a terminal, by libedit. One thread, one a process.
final class LinePrompt {
  enum Read: Equatable {
    case line(String)
    /// Ctrl-C: the line was given up, which perhaps was empty.
    case interrupted(wasEmpty: Bool)
    /// Ctrl-D, or the terminal is gone.
    case end
  }

  private let editor: OpaquePointer
  private let box: Completer

  /// What C holds on to.
  private final class Completer {
    let complete: (_ line: String, _ cursor: Int) -> Completion.Answer
    init(_ complete: @escaping (String, Int) -> Completion.Answer) { self.complete = complete }
  }

  /// Nil when libedit cannot use the terminal.
  /// - Parameter complete: asked on Tab with the line and the cursor's byte.
  init?(complete: @escaping (_ line: String, _ cursor: Int) -> Completion.Answer) {
    box = Completer(complete)
    let opened = mt_editor_open(
      Int32(Limits.replHistoryMax),
      { context, editor, line, count, cursor, again in
        guard let context, let editor, let line else { return }
        let box = Unmanaged<Completer>.fromOpaque(context).takeUnretainedValue()
        let bytes = UnsafeRawBufferPointer(start: line, count: count)
        let answer = box.complete(String(decoding: bytes, as: UTF8.self), cursor)
        if let insert = answer.replacement {
          mt_editor_replace(editor, Int32(answer.replaced), insert)
        } else if again != 0, !answer.listing.isEmpty {
          mt_editor_list(editor, answer.listing)
        }
      }, Unmanaged.passUnretained(box).toOpaque())
    guard let opened else { return nil }
    editor = opened
  }

  deinit { mt_editor_close(editor) }

  func read(_ prompt: String) -> Read {
    switch Int(mt_editor_read(editor, prompt)) {
    case MT_EDITOR_LINE:
      var count = 0
      let text = UnsafeRawBufferPointer(start: mt_editor_text(editor, &count), count: count)
      return .line(String(decoding: text, as: UTF8.self))
    case MT_EDITOR_INTERRUPTED:
      var count = 0
      _ = mt_editor_text(editor, &count)
      return .interrupted(wasEmpty: count == 0)
    default: return .end
    }
  }

  /// Arrow up finds it from now on.
  func remember(_ line: String) { mt_editor_remember(editor, line) }
}
