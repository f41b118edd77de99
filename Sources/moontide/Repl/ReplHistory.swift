import Glibc
import MoontideCore
import MoontideHost

/// Lines typed before, in `.moontide/history`: one a line, the newest last, for nobody else to read. Several
/// REPLs may add to it at once. It is a convenience: what cannot be read or written is done without.
struct ReplHistory {
  private let path: String

  init(_ project: ProjectPaths) { path = project.cache + "/history" }

  /// The newest `Limits.replHistoryMax` of them. A file that has become long is written anew.
  func load() -> [String] {
    guard let file = fopen(path, "re") else { return [] }
    var lines: [String] = []
    var bytes: [UInt8] = []
    while true {
      let byte = getc(file)
      if byte == EOF { break }
      if byte != 10 {
        bytes.append(UInt8(truncatingIfNeeded: byte))
        continue
      }
      lines.append(String(decoding: bytes, as: UTF8.self))
      bytes = []
    }
    fclose(file)
    let kept = Array(lines.suffix(Limits.replHistoryMax))
    if lines.count > Limits.replHistoryMax * 2 { rewrite(kept) }
    return kept
  }

  func add(_ line: String) {
    guard line.utf8.count < Limits.replStatementBytesMax else { return }
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { return }
    // Of an older file, too: statements may name customers.
    fchmod(file, 0o600)
    let bytes = Array((line + "\n").utf8)
    _ = write(file, bytes, bytes.count)
    close(file)
  }

  private func rewrite(_ lines: [String]) {
    let beside = "\(path).new-\(getpid())"
    let file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { return }
    let bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
    let isWhole = write(file, bytes, bytes.count) == bytes.count
    close(file)
    if isWhole { rename(beside, path) } else { unlink(beside) }
  }
}
