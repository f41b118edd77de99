import Foundation
import MoontideCore
import MoontideHost
import MoontideJSON
import Testing

struct IngestHostileInputTests {
  let path = "shop/events/a.jsonl"

  /// What one bad line between two good ones leads to.
  @Test(arguments: [
    ([0xEF, 0xBB, 0xBF] + Array(#"{"id":"x","type":"T","data":{}}"#.utf8), "E0204"),
    (Array("{\"id\":\"x\",\"type\":\"T\",\"data\":{\"s\":\"\u{0}\"}}".utf8), "E0205"),
    ([0x00, 0x01, 0xFE, 0xFF, 0x80], "E0205"),
    ([0x7B, 0x22, 0xFF, 0x22, 0x7D], "E0203"),
    (Array(#"{"id":"x","type":"T","data":{},}"#.utf8), "E0201"),
    (Array(#"{"id":"x","type":"T"}"#.utf8), "E0209"),
    (Array(#"{"id":"x","type":"T","data":{"n":99999999999999999999}}"#.utf8), "E0206"),
    (Array(#"{"id":"x","type":"T","dat":{}}"#.utf8), "E0213"),
    (Array(String(repeating: "[", count: 100_000).utf8), "E0207"),
    (Array("null".utf8), "E0202"),
  ])
  func `a bad line is quarantined with its place and bytes, and the good ones are taken`(
    bad: [UInt8], code: String
  ) {
    let bench = IngestBench()
    let first = IngestBench.line("a")
    bench.files.put(path, Array(first.utf8) + bad + Array("\n\(IngestBench.line("b"))".utf8))
    bench.run()
    #expect(bench.ids == ["a", "b"])
    #expect(bench.notes.count == 1 && bench.notes.first?.code == code, "\(bench.notes)")
    let note = bench.notes[0]
    #expect(note.file == "events/a.jsonl" && note.line == 2 && note.byteOffset == UInt64(first.utf8.count))
    #expect(note.lineBytes == UInt64(bad.count))
    #expect(bench.raw(note) == Array(bad.prefix(Limits.quarantineBytesMax)))
    #expect(bench.counts.quarantined == 1 && bench.counts.events == 2 && bench.counts.lines == 3)
    // Another process finds nothing new.
    bench.run()
    #expect(bench.log.records.count == 3 && bench.counts.lines == 0)
  }

  @Test func `carriage returns and blank lines are no trouble`() {
    let bench = IngestBench()
    let line = IngestBench.line("a").dropLast()
    bench.files.put(path, "\r\n\n   \n\(line)\r\n\t\n\(IngestBench.line("b"))\n")
    bench.run()
    #expect(bench.ids == ["a", "b"] && bench.notes.isEmpty && bench.counts.lines == 7)
    #expect(!bench.events[0].line.contains("\r"))
  }

  @Test func `a line of a hundred megabytes costs no memory of its size`() {
    let bench = IngestBench()
    let long = [UInt8](repeating: UInt8(ascii: "x"), count: 100 << 20)
    bench.files.put(path, Array(IngestBench.line("a").utf8) + long + Array("\n\(IngestBench.line("b"))".utf8))
    let before = residentBytes()
    bench.run()
    let grown = residentBytes() - before
    #expect(grown < 60 << 20, "memory grew by \(grown) bytes")
    #expect(bench.ids == ["a", "b"] && bench.notes.map(\.code) == ["E0208"])
    #expect(bench.notes[0].lineBytes == UInt64(long.count) && bench.notes[0].line == 2)
    #expect(bench.raw(bench.notes[0]).count == Limits.quarantineBytesMax)
  }

  private func residentBytes() -> Int {
    guard let text = FileManager.default.contents(atPath: "/proc/self/statm"),
      let pages = Int(String(decoding: text, as: UTF8.self).split(separator: " ")[1])
    else { return 0 }
    return pages * 4096
  }

  @Test func `half a line waits for its newline`() {
    let bench = IngestBench(IngestOptions())
    let line = IngestBench.line("b")
    bench.files.put(path, IngestBench.line("a") + line.prefix(20))
    bench.run()
    #expect(bench.ids == ["a"] && bench.worker.progress.isCaughtUp)
    bench.files.append(path, String(line.dropFirst(20).dropLast()))
    bench.run(again: true)
    #expect(bench.ids == ["a"])
    bench.files.append(path, "\n" + IngestBench.line("c"))
    bench.run(again: true)
    #expect(bench.ids == ["a", "b", "c"] && bench.notes.isEmpty && bench.counts.repeats == 0)
  }

  @Test func `a last line without a newline is noted when ingest runs once`() {
    let bench = IngestBench()
    bench.files.put(path, IngestBench.line("a") + IngestBench.line("b").dropLast())
    bench.run()
    #expect(bench.ids == ["a"])
    #expect(bench.worker.progress.problems.map(\.code) == ["E0222"])
    #expect(bench.worker.progress.problems[0].title.contains("events/a.jsonl"))
  }

  @Test func `a repeat is dropped, another body is a conflict, the first stays`() {
    let bench = IngestBench()
    let lines = IngestBench.line("a", 1) + IngestBench.line("b", 1) + IngestBench.line("a", 1)
    bench.files.put(path, lines)
    bench.run()
    #expect(bench.ids == ["a", "b"] && bench.counts.repeats == 1)
    let later = IngestBench.line("a", 2)
    bench.files.append(path, later + IngestBench.line("c"))
    bench.run()
    #expect(bench.ids == ["a", "b", "c"] && bench.events[0].data == #"{"n":1}"#)
    let note = bench.notes[0]
    #expect(note.code == "E0210" && note.conflictPosition == 0 && note.line == 4)
    #expect(note.byteOffset == UInt64(lines.utf8.count) && bench.raw(note) == Array(later.dropLast().utf8))
    #expect(bench.counts.conflicts == 1 && bench.counts.quarantined == 0 && bench.counts.events == 1)
  }

  @Test func `a conflict within one batch is set aside too`() {
    let bench = IngestBench()
    bench.files.put(path, IngestBench.line("a", 1) + IngestBench.line("a", 2) + IngestBench.line("a", 3))
    bench.run()
    #expect(bench.ids == ["a"] && bench.notes.map(\.line).sorted() == [2, 3])
    #expect(bench.notes.allSatisfy { $0.code == "E0210" && $0.conflictPosition == nil })
  }

  /// What simulated seed 9000036 found.
  @Test func `a conflict within a batch is decided anew when another publisher has taken a side`() throws {
    let bench = IngestBench()
    let lines = [IngestBench.line("a", 1), IngestBench.line("a", 2), IngestBench.line("a", 3)]
    bench.files.put(path, lines.joined() + IngestBench.line("b"))
    let other = DraftBatch()
    let line = Array(lines[1].utf8) + [UInt8](repeating: 0, count: Limits.parserPaddingBytes)
    bench.log.beforeAppend = { [log = bench.log] turn in
      // The first answer was that the second and the third line are in conflict with the first.
      guard turn == 1 else { return }
      do {
        let topic = try log.topic(.events, partitions: nil).id
        try EnvelopeParser().parse(
          line, ByteRange(start: 0, count: lines[1].utf8.count - 1), topic: topic, into: other)
        log.beforeAppend = { _ in }
        _ = try log.append(AppendRequest(batch: other))
      } catch { Issue.record("the other publisher failed: \(error)") }
    }
    bench.run()
    #expect(bench.ids == ["a", "b"] && bench.events[0].data == #"{"n":2}"#)
    #expect(bench.notes.map(\.line).sorted() == [1, 3], "the line that the log holds is a repeat")
    #expect(bench.notes.allSatisfy { $0.conflictPosition == 0 })
    #expect(bench.counts.conflicts == 2 && bench.counts.repeats == 1 && bench.counts.events == 1)
  }

  @Test func `conflicts are decided anew after the log had no room`() {
    let bench = IngestBench()
    bench.files.put(path, IngestBench.line("a", 1) + IngestBench.line("a", 2) + IngestBench.line("b"))
    let full = LogError.file(
      FileError(operation: "write", path: "log", errno: ENOSPC, reason: "No space left"))
    bench.log.beforeAppend = { [log = bench.log] turn in if turn == 1 { log.refusals = [full, full] } }
    for _ in 0..<3 { bench.run(again: true) }
    #expect(bench.ids == ["a", "b"] && bench.notes.map(\.line) == [2])
    #expect(bench.counts.conflicts == 1 && bench.counts.events == 2)
  }

  @Test func `a strict run stops at the first bad line and keeps what came before`() {
    let bench = IngestBench(IngestOptions(once: true, strict: true))
    bench.files.put(path, IngestBench.line("a") + "bad\n" + IngestBench.line("b"))
    bench.run()
    #expect(bench.ids == ["a"] && bench.notes.isEmpty)
    guard case .line(let diagnostic) = bench.worker.progress.failure else {
      Issue.record("no failure")
      return
    }
    #expect(
      diagnostic.code == "E0201" && diagnostic.place?.file == "events/a.jsonl" && diagnostic.place?.line == 2)
  }

  @Test func `a strict run stops at a conflict`() {
    let bench = IngestBench(IngestOptions(once: true, strict: true))
    bench.files.put("shop/events/a.jsonl", IngestBench.line("a"))
    bench.files.put("shop/events/b.jsonl", IngestBench.line("a", 2))
    bench.files.put("shop/events/c.jsonl", IngestBench.line("c"))
    bench.run()
    #expect(bench.ids == ["a"])
    guard case .line(let diagnostic) = bench.worker.progress.failure else {
      Issue.record("no failure")
      return
    }
    #expect(diagnostic.code == "E0210" && diagnostic.place?.file == "events/b.jsonl")
  }

  @Test func `a full disk makes ingest wait, not lose`() {
    let bench = IngestBench()
    bench.files.put(path, IngestBench.line("a"))
    let full = LogError.file(
      FileError(operation: "write", path: "log", errno: ENOSPC, reason: "No space left"))
    bench.log.refusals = [full, full]
    for _ in 0..<3 { bench.run(again: true) }
    #expect(bench.ids == ["a"] && bench.worker.progress.failure == nil)
    #expect(bench.worker.progress.problems.count == 1 && bench.worker.progress.isCaughtUp)
  }

  @Test func `a log that cannot go on stops ingest with its error`() {
    let bench = IngestBench()
    bench.files.put(path, IngestBench.line("a"))
    bench.log.refusals = [.readOnly(reason: "a flush failed")]
    bench.run()
    guard case .log(.readOnly) = bench.worker.progress.failure else {
      Issue.record("no failure")
      return
    }
  }
}
