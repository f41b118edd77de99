import CEffects
import Glibc
import MoontideCore
import MoontideRuntime

/// Lines for files that were asked for together: one write and one flush a file, in the order in which they
/// came.
struct LogLines {
  private struct File {
    var name: String
    var tickets: [UInt64] = []
    var bytes: [UInt8] = []
  }

  private let root: String
  private var files: [File] = []

  init(root: String) { self.root = root }

  mutating func add(_ ticket: UInt64, _ request: LogRequest) {
    let index = files.firstIndex { $0.name == request.file }
    if index == nil { files.append(File(name: request.file)) }
    let at = index ?? files.count - 1
    files[at].tickets.append(ticket)
    files[at].bytes += request.line
    files[at].bytes.append(0x0a)
  }

  /// Writes all of them; what fails is no fault of the line.
  func write(_ vault: SecretVault) -> [(ticket: UInt64, outcome: EffectOutcome)] {
    files.flatMap { file in
      let failed = file.bytes.withUnsafeBufferPointer { bytes in
        mt_effects_append(root, file.name, bytes.baseAddress, bytes.count)
      }
      let outcome =
        failed == 0
        ? EffectOutcome(.done)
        : EffectOutcome(
          .failed(blamesTarget: true, retryAfter: nil),
          error: vault.redacted("\(file.name) cannot be written: \(String(cString: strerror(failed)))"))
      return file.tickets.map { ($0, outcome) }
    }
  }
}
