import MoontideCore
import MoontideHost

/// Whole small files and stdin, for arguments that name them.
enum TextFile {
  /// The text of a file; `-` is stdin.
  static func read(_ path: String) throws(Diagnostic) -> String {
    String(decoding: try bytes(path), as: UTF8.self)
  }

  static func bytes(_ path: String) throws(Diagnostic) -> [UInt8] {
    if path == "-" { return StandardInput.all() }
    do throws(FileError) { return try SystemSurroundings.files.contents(path, bytesMax: 256 << 20) } catch {
      throw Diagnostic(
        code: HostCode.file.code, "cannot \(error.operation) \(path): \(error.reason)",
        details: [.init("help", "check the path, and that this user may read it")])
    }
  }
}
