import MoontideCore

/// The (unpacked) bytes of one file, one after another. Owned by one thread.
protocol ByteSource: AnyObject {
  /// Puts up to `count` bytes into `buffer` at `index` (the buffer holds them) and returns how many; 0 when
  /// there are no more for now.
  func read(count: Int, into buffer: inout [UInt8], at index: Int) throws(SourceFault) -> Int
  /// How many bytes of the file itself were read, for the progress bar.
  var fileBytesRead: UInt64 { get }
  /// After a read of 0: the bytes end here for good, so that a last line without a newline is whole.
  var isComplete: Bool { get }
}

/// Why the bytes of a file do not go on.
enum SourceFault: Error, Hashable {
  case file(FileError)
  /// A packed file is damaged.
  case corrupt(reason: String)
}

/// A file as it is. It may grow while it is read, so its end is never final.
final class PlainSource: ByteSource {
  private let file: any File
  private(set) var fileBytesRead: UInt64

  /// Reads from `offset` on.
  init(_ file: any File, from offset: UInt64) {
    self.file = file
    fileBytesRead = offset
  }

  var isComplete: Bool { false }

  func read(count: Int, into buffer: inout [UInt8], at index: Int) throws(SourceFault) -> Int {
    do throws(FileError) {
      let read = try file.read(at: fileBytesRead, count: count, into: &buffer, at: index)
      fileBytesRead += UInt64(read)
      return read
    } catch {
      throw .file(error)
    }
  }
}
