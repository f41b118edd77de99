import Foundation
import MoontideCore
import MoontideLog
import Testing

struct LogVerifierTests {
  private func written() throws -> LogFixture {
    let fixture = LogFixture(
      options: LogOptions(segmentBytesMax: 6000, indexSealEntries: 64, markBytes: 500, offsetMarkInterval: 4))
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    for round in 0..<30 {
      try log.put(DraftBatch(topic, ids: round * 5..<round * 5 + 5))
      try log.flush()
    }
    return fixture
  }

  private func verify(_ fixture: LogFixture) throws -> LogVerifier.Report {
    try LogVerifier(directory: "log", files: fixture.files).verify()
  }

  @Test func `a sound log has no problems and every record is counted`() throws {
    let fixture = try written()
    var last: (UInt64, UInt64) = (0, 1)
    let report = try LogVerifier(directory: "log", files: fixture.files).verify { last = ($0, $1) }
    #expect(report.isSound, "\(report.problems)")
    #expect(report.records == 150)
    #expect(report.batches == 31)
    #expect(report.segments > 2)
    let logs = fixture.files.paths.filter { $0.hasSuffix(".log") }
    #expect(report.bytes == UInt64(logs.reduce(0) { $0 + fixture.files.bytes($1).count }))
    #expect(last == (report.bytes, report.bytes))
  }

  @Test func `a flipped bit anywhere is found, and costs one batch at most`() throws {
    let fixture = try written()
    let path = fixture.files.paths.first { $0.hasSuffix(".log") }!
    let whole = fixture.files.bytes(path)
    for at in stride(from: 0, to: whole.count, by: 13) {
      let copy = LogFixture(files: fixture.files.copy())
      var bytes = whole
      bytes[at] ^= 0x20
      copy.files.setBytes(path, bytes)
      let report = try verify(copy)
      #expect(!report.isSound, "flipped at \(at)")
      let problem = report.problems.first
      #expect(problem?.file == path, "flipped at \(at): \(report.problems)")
      #expect(
        problem.map { Int($0.byteOffset) <= at && at - Int($0.byteOffset) < 300 } == true, "flipped at \(at)")
      // Only the header of the first segment holds the identity that all else is checked with.
      if at >= 64 { #expect(report.records >= 145, "flipped at \(at)") }
    }
  }

  @Test func `a torn tail is told apart from damage`() throws {
    let fixture = try written()
    let whole = fixture.files.bytes(fixture.lastSegment)
    fixture.files.setBytes(fixture.lastSegment, Array(whole.dropLast(10)))
    let report = try verify(fixture)
    #expect(report.isSound, "\(report.problems)")
    #expect(report.tornTailBytes > 0)
    #expect(report.records == 145)
  }

  @Test func `a segment that is missing is a problem`() throws {
    let fixture = try written()
    let middle = fixture.files.paths.filter { $0.hasSuffix(".log") }[1]
    try fixture.files.remove(middle)
    let report = try verify(fixture)
    #expect(report.problemCount == 1, "\(report.problems)")
    #expect(report.problems.first?.byteOffset == 32)
  }

  @Test func `an identity that stands twice is a problem`() throws {
    // Two logs born with the same bits; the end of the second one is put behind the beginning of the first.
    func make(_ first: String, _ second: String) throws -> (LogFixture, Int) {
      let fixture = LogFixture()
      let log = try fixture.open()
      let topic = try log.topic(.events, partitions: 3).id
      try log.put(DraftBatch(topic, [Sample(id: first)]))
      try log.flush()
      let middle = fixture.files.bytes(fixture.lastSegment).count
      try log.put(DraftBatch(topic, [Sample(id: second)]))
      try log.flush()
      return (fixture, middle)
    }
    let (one, middle) = try make("a", "b")
    let (other, otherMiddle) = try make("c", "a")
    #expect(middle == otherMiddle)
    let path = one.lastSegment
    one.files.setBytes(path, Array(one.files.bytes(path)[..<middle] + other.files.bytes(path)[middle...]))
    let report = try verify(one)
    #expect(report.records == 2)
    #expect(report.problems.map(\.reason) == ["#1 has the identity of #0"])
  }

  @Test func `records in the wrong order are a problem`() throws {
    let fixture = LogFixture()
    let log = try fixture.open()
    let topic = try log.topic(.events, partitions: 3).id
    try log.flush()
    let path = fixture.lastSegment
    var cuts = [fixture.files.bytes(path).count]
    for id in ["a", "b", "c"] {
      try log.put(DraftBatch(topic, [Sample(id: id)]))
      try log.flush()
      cuts.append(fixture.files.bytes(path).count)
    }
    let bytes = fixture.files.bytes(path)
    fixture.files.setBytes(path, Array(bytes[..<cuts[1]] + bytes[cuts[2]...]))
    let report = try verify(fixture)
    #expect(!report.isSound)
    #expect(report.problems.first?.byteOffset == UInt64(cuts[1]))
  }
}
