import MoontideCore

/// The lines of one chunk of a file as drafts, on their way from the parsing to the appending worker.
///
/// `@unchecked Sendable`: one worker owns it at a time; a mailbox hands it over.
final class ParsedBatch: @unchecked Sendable {
  /// Where the line of a draft lies.
  struct Place {
    /// In `chunk`.
    var range: ByteRange
    /// In the unpacked file.
    var offset: UInt64
    /// Behind the lines before the reader's beginning, from 1.
    var number: UInt64
    /// Length without the newline.
    var count: UInt64
  }

  let batch = DraftBatch()
  /// One per draft.
  var places: [Place] = []
  var chunk: [UInt8] = []
  var file: SourceFile?
  var lines: LineCounter?
  var producer: ProducerID?
  /// Byte offsets in the unpacked file.
  var sequence: Range<UInt64> = 0..<0
  var lineCount: UInt64 = 0
  var quarantined: UInt64 = 0

  func reset() {
    batch.removeAll()
    places.removeAll(keepingCapacity: true)
    chunk = []
    lineCount = 0
    quarantined = 0
  }
}
