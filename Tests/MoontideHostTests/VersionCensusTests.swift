import MoontideCore
import MoontideLog
import Testing

@testable import MoontideHost

struct VersionCensusTests {
  @Test func `a census comes back as it was written, and a torn one says nothing`() {
    var census = VersionCensus(mark: -7)
    census.position = Position(42)
    census.counts = ["OrderPlaced": [1: 3, 12: 4_000_000_000], "with a space": [2: 1]]
    #expect(VersionCensus(text: census.text) == census)
    for cut in 1..<census.text.count {
      #expect(VersionCensus(text: String(census.text.dropLast(cut))) == nil, "\(cut) characters were cut off")
    }
    #expect(VersionCensus(text: census.text.replacing("42", with: "43")) == nil)
  }

  @Test func `it counts on where it stopped`() throws {
    let folder = try IngestRealLogTests.Folder()
    let log = try folder.log()
    let topic = try log.topic(.events, partitions: 2).id
    func publish(_ type: String, version: UInt32, _ count: Int) throws {
      let batch = DraftBatch()
      for _ in 0..<count {
        var envelope = Envelope(version: version)
        envelope.id = batch.bytes.appendPart("\(type)-\(version)-\(batch.drafts.count)")
        envelope.type = batch.bytes.appendPart(type)
        envelope.key = envelope.id
        envelope.data = batch.bytes.appendPart("{}")
        batch.drafts.append(Draft(topic: topic, envelope: envelope, body: .zero))
      }
      _ = try log.append(AppendRequest(batch: batch))
      try log.flush()
    }
    try publish("A", version: 1, 10)
    try publish("B", version: 1, 3)
    var census = VersionCensus(mark: 1)
    #expect(try census.count(log) { true } == false)
    #expect(census.counts.isEmpty && census.position == .start)
    #expect(try census.count(log) { false })
    #expect(census.counts == ["A": [1: 10], "B": [1: 3]])
    try publish("A", version: 2, 5)
    #expect(try census.count(log) { false })
    #expect(census.counts == ["A": [1: 10, 2: 5], "B": [1: 3]] && census.position == log.durableEnd)
  }
}
