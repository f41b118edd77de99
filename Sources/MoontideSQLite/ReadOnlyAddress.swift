import Glibc

/// The URI by which SQLite opens a file for reading only. <https://www.sqlite.org/uri.html>
enum ReadOnlyAddress {
  static func of(_ path: String) -> String {
    var text = "file:"
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        text.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16)
        text += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
      }
    }
    return text + "?mode=ro" + (isFrozen(path) ? "&immutable=1" : "")
  }

  /// Whether nobody can write to it: it lies on a file system that is mounted read-only, and no process has
  /// it open, which would have left an index of the write-ahead log beside it. Without being told so, SQLite
  /// wants to make that index and cannot. <https://www.sqlite.org/wal.html#readonly>
  private static func isFrozen(_ path: String) -> Bool {
    var system = statvfs()
    var file = stat()
    guard statvfs(path, &system) == 0, system.f_flag & UInt(ST_RDONLY) != 0 else { return false }
    guard stat(path + "-shm", &file) != 0, errno == ENOENT else { return false }
    // What is committed there and nowhere else would not be seen.
    return stat(path + "-wal", &file) != 0 ? errno == ENOENT : file.st_size == 0
  }
}
