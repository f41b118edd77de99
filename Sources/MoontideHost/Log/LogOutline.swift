import MoontideCore
import MoontideLog
import MoontideSQLite
import Synchronization

/// The outline of a log that this process appends to: made when it is first asked for, from the file that was
/// kept, brought up to the end of the log each time, and kept again when it has grown. Any thread; one of
/// them works at it at a time.
final class LogOutline: Sendable {
  private struct State {
    var outline: TimeOutline?
    /// What the file reaches.
    var saved = Position.start
  }

  private let log: SegmentedLog
  private let file: OutlineFile
  private let state = Mutex(State())

  init(_ log: SegmentedLog, _ file: OutlineFile) {
    self.log = log
    self.file = file
  }

  /// The outline of all that is durable.
  /// - Parameter isOver: asked between reads. Once it says so the answer is nil, and what was read is kept
  ///   for the next time.
  func current(_ isOver: () -> Bool) throws(LogError) -> TimeOutline? {
    try state.withLock { (state) throws(LogError) in
      var outline: TimeOutline
      if let known = state.outline { outline = known } else { outline = try kept(&state) }
      // Not shared while it grows.
      state.outline = nil
      defer { state.outline = outline }
      let batch = RecordBatch()
      while outline.end < log.durableEnd {
        if isOver() { return nil }
        guard try outline.extend(by: log, using: batch) else { break }
      }
      if outline.end.value - state.saved.value >= Limits.outlineUnsavedMax { try keep(outline, &state) }
      return outline
    }
  }

  private func kept(_ state: inout State) throws(LogError) -> TimeOutline {
    let bytes: [UInt8]?
    // A cache that cannot be read is made again.
    do throws(FileError) { bytes = try file.read() } catch { bytes = nil }
    guard let bytes, let outline = try TimeOutline(bytes, of: log) else { return TimeOutline() }
    state.saved = outline.end
    return outline
  }

  private func keep(_ outline: TimeOutline, _ state: inout State) throws(LogError) {
    let bytes = try outline.encoded(for: log)
    // Where it cannot be written (a disk that is read-only) it stays in memory, and is not tried at each
    // query.
    state.saved = outline.end
    do throws(FileError) { try file.write(bytes) } catch { return }
  }
}
