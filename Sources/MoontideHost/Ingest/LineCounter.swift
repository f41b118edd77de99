import MoontideCore
import Synchronization

/// How many lines lie before the place where reading of a file went on: counted only when a bad line asks
/// for its number, since a large file would be read again just for that. Any thread.
final class LineCounter: Sendable {
  private let known: Mutex<UInt64?>
  private let files: any FileSystem
  private let path: String
  private let offset: UInt64

  init(_ files: any FileSystem, path: String, offset: UInt64, known: UInt64?) {
    self.files = files
    self.path = path
    self.offset = offset
    self.known = Mutex(offset == 0 ? 0 : known)
  }

  /// The number of newlines before the offset; 0 when the file cannot be read any more (the number is only
  /// for a message then).
  func linesBefore() -> UInt64 {
    known.withLock { known in
      if let known { return known }
      let count = count()
      known = count
      return count
    }
  }

  /// The count if it is known without reading.
  var linesBeforeIfKnown: UInt64? { known.withLock { $0 } }

  private func count() -> UInt64 {
    var bytes = [UInt8](repeating: 0, count: Limits.ingestChunkBytes)
    var at: UInt64 = 0
    var lines: UInt64 = 0
    do throws(FileError) {
      let file = try files.open(path, .read)
      while at < offset {
        let wanted = Int(min(UInt64(bytes.count), offset - at))
        let read = try file.read(at: at, count: wanted, into: &bytes, at: 0)
        if read == 0 { return 0 }
        for index in 0..<read where bytes[index] == 0x0A { lines += 1 }
        at += UInt64(read)
      }
      return lines
    } catch {
      return 0
    }
  }
}
