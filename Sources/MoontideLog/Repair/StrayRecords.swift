import MoontideCore

/// Finds sound records in bytes that have no sound header of a batch.
enum StrayRecords {
  /// A batch that records say they are of.
  struct Start {
    /// Where its header was, in the bytes that were searched.
    var start: Int
    /// The highest index of a record that was found.
    var lastIndex: Int
    /// When the batch was recorded, if a record without a time of its own says so.
    var recorded: Int64?
  }

  /// In the order of their places.
  static func find(_ bytes: [UInt8], _ log: LogIdentity) -> [Start] {
    var starts: [Start] = []
    var at = 0
    while at + RecordLayout.headerBytes <= bytes.count {
      let back = Int(bytes.number(UInt32.self, at: at + 4))
      guard back >= BatchHeader.bytes, back <= at, RecordKind(rawValue: bytes[at + 10]) != nil,
        let total = RecordLayout.totalBytes(bytes, at: at, end: bytes.count),
        RecordLayout.isSound(bytes, at: at, total: total, log: log)
      else {
        at += 1
        continue
      }
      if starts.last?.start != at - back {
        starts.append(Start(start: at - back, lastIndex: 0, recorded: nil))
      }
      starts[starts.count - 1].lastIndex = Int(bytes.number(UInt16.self, at: at + 8))
      if !EnvelopeFields(rawValue: bytes[at + 11]).contains(.time) {
        starts[starts.count - 1].recorded = bytes.number(Int64.self, at: at + 28)
      }
      at += total
    }
    return starts
  }
}
