import MoontideCore
import MoontideRuntime

/// The scripts that a log began with: `data/scripts`. The first line is the takeover as JSON, each further
/// one the text of a file as JSON, see `KeptText`.
struct FirstScripts {
  let record: TakeoverRecord
  /// By the digest of the content.
  let texts: [Digest: [UInt8]]

  init(_ record: TakeoverRecord, _ scripts: ScriptFiles, since: EventTime) {
    var record = record
    record.since = since
    self.record = record
    texts = Dictionary(
      scripts.all.map { (TakeoverRecord.content(of: $0.text), $0.text) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Nil for what is no such file.
  init?(lines: [UInt8]) {
    let lines = lines.split(separator: UInt8(ascii: "\n"))
    guard let first = lines.first, let record = TakeoverRecord(data: Array(first)) else { return nil }
    self.record = record
    var texts: [Digest: [UInt8]] = [:]
    for line in lines.dropFirst() {
      guard let text = KeptText.text(of: Array(line)) else { return nil }
      texts[TakeoverRecord.content(of: text)] = text
    }
    self.texts = texts
  }

  var lines: [UInt8] {
    var lines = record.data
    for text in texts.sorted(by: { $0.key.description < $1.key.description }) {
      lines += [UInt8(ascii: "\n")] + KeptText.data(of: text.value)
    }
    return lines + [UInt8(ascii: "\n")]
  }
}
