import Glibc

/// The process's stdin, in chunks.
enum StandardInput {
  /// Up to `count` bytes, empty at the end.
  static func chunk(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      var result = read(STDIN_FILENO, buffer.baseAddress, count)
      while result < 0 && errno == EINTR { result = read(STDIN_FILENO, buffer.baseAddress, count) }
      filled = max(0, result)
    }
  }

  static func all() -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let part = chunk(1 << 16)
      if part.isEmpty { return bytes }
      bytes += part
    }
  }
}
