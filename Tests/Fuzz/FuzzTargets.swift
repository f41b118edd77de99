import MoontideCore
import MoontideJSON
import MoontideLua
import MoontideRuntime

@testable import MoontideLog

/// What the fuzzer feeds; `MOONTIDE_FUZZ_TARGET` chooses. Each traps on what must not be.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// Bytes as a batch: walked, checked, decoded.
  case records
  /// Edits of a sound log, which is opened then: what was durable stays, or is told as damaged.
  case recovery
  /// One line of an event file.
  case lines
  /// A handler script.
  case scripts
  /// `moontide.lua`.
  case settings

  public func run(_ bytes: [UInt8]) {
    switch self {
    case .records: Self.records(bytes)
    case .recovery: RecoveryFuzz.run(bytes)
    case .lines: Self.lines(bytes)
    case .scripts: Self.scripts(bytes)
    case .settings: _ = ProjectSettings.load(ScriptSource(path: "moontide.lua", text: bytes))
    }
  }

  private static let log = LogIdentity(Digest(high: 1, low: 2))

  /// The checksums are made right first, or nothing would get past them.
  private static func records(_ input: [UInt8]) {
    var bytes = input
    let end = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: BatchHeader.bytes + Limits.parserPaddingBytes))
    guard end >= BatchHeader.bytes else { return }
    bytes.put(BatchHeader.magic, at: 0)
    bytes.put(CRC32C.checksum(bytes, 8..<BatchHeader.bytes, continuing: log.checksumSeed), at: 4)
    if let header = BatchHeader.decode(bytes, at: 0, log: log), header.totalBytes <= end {
      _ = BatchCheck.problem(bytes, at: 0, header, log: log)
      _ = BatchCheck.preamble(bytes, at: 0, header)
    }
    var at = BatchHeader.bytes
    while let total = RecordLayout.totalBytes(bytes, at: at, end: end) {
      let sum = CRC32C.checksum(bytes, at + 4..<at + total, continuing: log.checksumSeed)
      bytes.put(sum, at: at)
      precondition(RecordLayout.isSound(bytes, at: at, total: total, log: log), "a sum that was just made")
      if let record = bytes.withUnsafeBytes({ RecordLayout.decode($0, at, 7, 9) }) {
        precondition(record.envelope.meta.end == at + total, "parts of \(record.envelope.meta.end) bytes")
      }
      at += total
    }
  }

  private static func lines(_ input: [UInt8]) {
    let batch = DraftBatch()
    let padded = input + [UInt8](repeating: 0, count: Limits.parserPaddingBytes)
    do throws(EnvelopeFault) {
      try EnvelopeParser().parse(
        padded, ByteRange(start: 0, count: input.count), topic: TopicID(0), into: batch)
    } catch {
      precondition(!error.reason.isEmpty && batch.drafts.isEmpty, "a refused line leaves no draft")
      return
    }
    precondition(batch.drafts.count == 1, "a line is one event")
    let envelope = batch.drafts[0].envelope
    for part in [
      envelope.id, envelope.source, envelope.type, envelope.key, envelope.time, envelope.data, envelope.meta,
    ] {
      precondition(part.end <= batch.bytes.count, "a part ends at \(part.end) of \(batch.bytes.count)")
    }
    precondition(
      (1...Limits.identityBytesMax).contains(Int(envelope.id.count)), "an id of \(envelope.id.count)")
    precondition(batch.bytes[envelope.data.indices].first == UInt8(ascii: "{"), "data is an object")
  }

  private static func scripts(_ input: [UInt8]) {
    var defaults = HandlerDefaults()
    defaults.budget.instructions = 20_000
    defaults.budget.memoryBytes = 4 << 20
    let catalog = ProjectCatalog.load(
      handlers: [ScriptSource(path: "handlers/a.lua", text: input)], modules: [:], defaults: defaults,
      schemaCheck: { _ in .success([]) })
    for diagnostic in catalog.diagnostics { precondition(!diagnostic.title.isEmpty, "a fault without words") }
  }
}
