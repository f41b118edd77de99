import Glibc
import MoontideCore

/// A file descriptor, closed with the object. Calls may come from any thread: all are positional.
final class PosixFile: File {
  private let descriptor: Int32
  private let path: String

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    // A failed close loses nothing that a sync had not already reported.
    _ = close(descriptor)
  }

  func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError) -> Int
  {
    precondition(index >= 0 && count >= 0 && index + count <= buffer.count, "\(index) + \(count) bytes")
    var done = 0
    while done < count {
      let start = index + done
      let got = buffer.withUnsafeMutableBytes { bytes in
        pread(descriptor, bytes.baseAddress! + start, count - done, off_t(offset) + off_t(done))
      }
      if got < 0 {
        if errno == EINTR { continue }
        throw FileError.last("read", path)
      }
      if got == 0 { break }
      done += got
    }
    return done
  }

  func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "\(range) of \(bytes.count) bytes")
    var done = 0
    while done < range.count {
      let start = range.lowerBound + done
      let wrote = bytes.withUnsafeBytes { buffer in
        pwrite(descriptor, buffer.baseAddress! + start, range.count - done, off_t(offset) + off_t(done))
      }
      if wrote < 0 {
        if errno == EINTR { continue }
        throw FileError.last("write", path)
      }
      done += wrote
    }
  }

  func sync() throws(FileError) {
    // EINTR is the one answer that says nothing about the data.
    while fdatasync(descriptor) != 0 {
      if errno != EINTR { throw FileError.last("sync", path) }
    }
  }

  func size() throws(FileError) -> UInt64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.last("status", path) }
    return UInt64(status.st_size)
  }

  func truncate(to bytes: UInt64) throws(FileError) {
    while ftruncate(descriptor, off_t(bytes)) != 0 {
      if errno != EINTR { throw FileError.last("truncate", path) }
    }
  }
}

extension FileError {
  /// The error that the last system call of this thread left.
  static func last(_ operation: String, _ path: String) -> FileError {
    let code = Glibc.errno
    return FileError(operation: operation, path: path, errno: code, reason: String(cString: strerror(code)))
  }
}
