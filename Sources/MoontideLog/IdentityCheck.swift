import MoontideCore

/// Tells the drafts of one batch apart: new, repeats of what the log holds or of an earlier draft, conflicts.
/// Owned by the appender; its buffers are used again.
struct IdentityCheck {
  private enum Verdict: UInt8 {
    case new, repeated, conflicting
  }

  private let log: LogIdentity
  private let index: LogIndex
  private var probe: RecordProbe
  private(set) var hashes: [IndexHash] = []
  private var verdicts: [Verdict] = []
  private(set) var repeats = 0
  private(set) var conflicts: [AppendOutcome.Conflict] = []
  private var candidates: [(index: Int, address: LogAddress)] = []
  private var scratch: [UInt8] = []
  /// Open addressing over the drafts of the batch: index + 1, 0 empty.
  private var slots: [Int32] = []

  init(log: LogIdentity, index: LogIndex, catalog: LogCatalog) {
    self.log = log
    self.index = index
    probe = RecordProbe(catalog: catalog, log: log)
  }

  /// The drafts that are new, in order.
  var fresh: [Int] { verdicts.indices.filter { verdicts[$0] == .new } }

  /// Quarantine records live in a topic of their own, whatever the draft says.
  static func topic(of draft: Draft, quarantine: TopicID?) -> TopicID {
    if draft.envelope.kind == .quarantine, let quarantine { return quarantine }
    return draft.topic
  }

  mutating func run(_ batch: DraftBatch, quarantine: TopicID?) throws(LogError) {
    repeats = 0
    conflicts.removeAll(keepingCapacity: true)
    candidates.removeAll(keepingCapacity: true)
    hashes.removeAll(keepingCapacity: true)
    verdicts.removeAll(keepingCapacity: true)
    let drafts = batch.drafts
    let bytes = batch.bytes
    for draft in drafts {
      let topic = Self.topic(of: draft, quarantine: quarantine)
      hashes.append(log.hash(topic: topic, bytes, source: draft.envelope.source, id: draft.envelope.id))
      verdicts.append(.new)
    }
    try index.candidates(hashes, scratch: &scratch, into: &candidates)
    for (number, address) in candidates where verdicts[number] == .new {
      try prove(number, address, drafts[number], bytes, quarantine)
    }
    compareWithin(drafts, bytes, quarantine)
    conflicts.sort { $0.index < $1.index }
  }

  private mutating func prove(
    _ number: Int, _ address: LogAddress, _ draft: Draft, _ bytes: [UInt8], _ quarantine: TopicID?
  ) throws(LogError) {
    _ = try probe.load(address)
    let known = probe.record(position: 0, recorded: 0)
    guard known.topic == Self.topic(of: draft, quarantine: quarantine),
      probe.bytes.equals(known.envelope.source, bytes, draft.envelope.source),
      probe.bytes.equals(known.envelope.id, bytes, draft.envelope.id)
    else { return }
    if RecordLayout.body(probe.bytes, at: 0) == draft.body {
      verdicts[number] = .repeated
      repeats += 1
    } else {
      verdicts[number] = .conflicting
      let place = try probe.place(address)
      conflicts.append(.init(index: number, position: Position(place.position)))
    }
  }

  /// Finds drafts that share an identity with an earlier one that is new.
  private mutating func compareWithin(_ drafts: [Draft], _ bytes: [UInt8], _ quarantine: TopicID?) {
    var size = 16
    while size < drafts.count * 2 { size *= 2 }
    slots.removeAll(keepingCapacity: true)
    slots.append(contentsOf: repeatElement(0, count: size))
    for number in drafts.indices where verdicts[number] == .new {
      var slot = Int(truncatingIfNeeded: hashes[number].value) & (size - 1)
      while slots[slot] != 0 {
        let earlier = Int(slots[slot]) - 1
        if hashes[earlier] == hashes[number], same(drafts[earlier], drafts[number], bytes, quarantine) {
          if drafts[earlier].body == drafts[number].body {
            verdicts[number] = .repeated
            repeats += 1
          } else {
            verdicts[number] = .conflicting
            conflicts.append(.init(index: number, position: nil))
          }
          break
        }
        slot = (slot + 1) & (size - 1)
      }
      if verdicts[number] == .new { slots[slot] = Int32(number + 1) }
    }
  }

  private func same(_ a: Draft, _ b: Draft, _ bytes: [UInt8], _ quarantine: TopicID?) -> Bool {
    Self.topic(of: a, quarantine: quarantine) == Self.topic(of: b, quarantine: quarantine)
      && bytes.equals(a.envelope.source, bytes, b.envelope.source)
      && bytes.equals(a.envelope.id, bytes, b.envelope.id)
  }
}
