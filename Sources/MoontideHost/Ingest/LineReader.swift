import Glibc
import MoontideCore

/// Cuts bytes into lines with bounded memory: a line longer than `Limits.eventBytesMax` is passed over and
/// only its beginning kept. Half a line at the end waits for its newline. Owned by one thread.
final class LineReader {
  /// One line, without its newline and a carriage return before it.
  struct Line {
    /// In `chunk`.
    var range: ByteRange
    /// Of its first byte in the unpacked file.
    var offset: UInt64
    /// Of the first byte behind its newline.
    var next: UInt64
    /// Counted from 1 at the first line of this reader.
    var number: UInt64
    /// Of a line that was too long: how it begins.
    var head: [UInt8]?
    /// Without the newline.
    var count: UInt64
  }

  let source: any ByteSource
  /// The bytes that lines are parts of, with padding behind them; a new array after each `fill`, so that who
  /// keeps the old one can read its lines in peace.
  private(set) var chunk: [UInt8] = []
  /// The first bytes of the file, at most `Limits.sourceHeadBytes`: how it is known.
  private(set) var head: [UInt8]
  private var start = 0
  private var searched = 0
  private var end = 0
  private var number: UInt64 = 0
  /// Of `chunk[start]` in the unpacked file.
  private var offset: UInt64
  private var passing: (head: [UInt8], offset: UInt64, count: UInt64)?

  /// - Parameters:
  ///   - offset: of the unpacked bytes; where `source` stands.
  ///   - head: the first bytes of the file, as far as they lie before `offset`.
  init(_ source: any ByteSource, from offset: UInt64, head: [UInt8]) {
    self.source = source
    self.offset = offset
    self.head = head
  }

  /// Where the next line begins: what lies before it was handed out.
  var nextOffset: UInt64 { passing?.offset ?? offset }
  var hasPartialLine: Bool { passing != nil || start < end }
  /// How many lines were handed out.
  var lineCount: UInt64 { number }

  /// The next whole line of `chunk`, or nil: then `fill`.
  func next() -> Line? {
    let found = chunk.withUnsafeBytes { bytes -> Int? in
      guard searched < end, let base = bytes.baseAddress else { return nil }
      guard let place = memchr(base + searched, 0x0A, end - searched) else { return nil }
      return UnsafeRawPointer(place) - base
    }
    guard let found else {
      searched = end
      passLongLine()
      return nil
    }
    return take(to: found, behind: found + 1)
  }

  /// The last line when the source is complete and did not end with a newline.
  func last() -> Line? {
    guard source.isComplete, hasPartialLine else { return nil }
    return take(to: end, behind: end)
  }

  private func take(to end: Int, behind next: Int) -> Line {
    number += 1
    let length = end - start
    let hasReturn = length > 0 && chunk[end - 1] == 0x0D
    var line = Line(
      range: ByteRange(start: start, count: hasReturn ? length - 1 : length), offset: offset,
      next: offset + UInt64(next - start), number: number, head: nil, count: UInt64(length))
    if let passing {
      line.range = .empty
      line.offset = passing.offset
      line.head = passing.head
      line.count = passing.count + UInt64(length)
      self.passing = nil
    }
    offset = line.next
    start = next
    searched = next
    return line
  }

  private func passLongLine() {
    guard passing != nil || end - start > Limits.eventBytesMax else { return }
    if passing == nil {
      passing = (Array(chunk[start..<min(end, start + Limits.quarantineBytesMax)]), offset, 0)
    }
    passing?.count += UInt64(end - start)
    offset += UInt64(end - start)
    start = end
  }

  /// Reads on behind the half line that is left; returns how many bytes came, 0 at the end for now.
  func fill() throws(SourceFault) -> Int {
    let left = end - start
    let room = max(Limits.ingestChunkBytes, left)
    var bytes = [UInt8](repeating: 0, count: left + room + Limits.parserPaddingBytes)
    let count = try source.read(count: room, into: &bytes, at: left)
    if count == 0 { return 0 }
    bytes.replaceSubrange(0..<left, with: chunk[start..<end])
    if head.count < Limits.sourceHeadBytes, offset + UInt64(left) == UInt64(head.count) {
      head.append(contentsOf: bytes[left..<left + min(count, Limits.sourceHeadBytes - head.count)])
    }
    chunk = bytes
    start = 0
    searched = left
    end = left + count
    return count
  }
}
