import Foundation
import MoontideCore
import MoontideHost
import Testing

struct IngestFileTests {
  let path = "shop/events/a.jsonl"

  func lines(_ range: Range<Int>, _ prefix: String = "e") -> String {
    range.map { IngestBench.line("\(prefix)\($0)", $0) }.joined()
  }

  @Test func `folders are topics, files are read in byte order of their path`() {
    let bench = IngestBench()
    bench.files.put("shop/events/b.jsonl", IngestBench.line("b"))
    bench.files.put("shop/events/B.jsonl", IngestBench.line("B"))
    bench.files.put("shop/events/payments/2.jsonl", IngestBench.line("p2"))
    bench.files.put("shop/events/payments/1/x.jsonl", IngestBench.line("p1"))
    bench.files.put("shop/events/.hidden.jsonl", IngestBench.line("h"))
    bench.files.put("shop/events/notes.txt", "no event")
    bench.files.put("shop/events/bad name/1.jsonl", IngestBench.line("n"))
    bench.files.put("shop/events/_own/1.jsonl", IngestBench.line("o"))
    bench.files.put("shop/events/_commands/1.jsonl", IngestBench.line("c"))
    bench.run()
    #expect(bench.ids == ["B", "b", "p1", "p2"])
    #expect(bench.events.map(\.topic.text) == ["events", "events", "payments", "payments"])
    #expect(bench.worker.progress.problems.map(\.code) == ["E0220", "E0220", "E0220"])
    #expect(bench.counts.files == 4 && bench.counts.bytesDone == bench.counts.bytesTotal)
  }

  @Test func `no directory is an empty one`() {
    let bench = IngestBench()
    bench.run()
    #expect(bench.worker.progress.isCaughtUp && bench.worker.progress.problems.isEmpty)
  }

  @Test func `progress survives growth, restart and rename, at every size`() {
    let bench = IngestBench()
    var written = 0
    for round in 0..<60 {
      let next = written + round % 5
      bench.files.append(path, lines(written..<next))
      written = next
      bench.run()
      #expect(bench.counts.lines == UInt64(round % 5), "round \(round) read a line again")
    }
    bench.files.move(path, to: "shop/events/z.jsonl")
    bench.run()
    #expect(bench.counts.lines == 0)
    bench.files.append("shop/events/z.jsonl", lines(written..<written + 1))
    bench.run()
    #expect(bench.counts.lines == 1 && bench.ids == (0...written).map { "e\($0)" })
  }

  @Test func `a process that dies at any step neither loses nor doubles a line`() {
    let bench = IngestBench()
    var content = ""
    for round in 0..<40 {
      content += lines(round * 50..<round * 50 + 50) + "bad \(round)\n"
      bench.files.put(path, content)
      bench.crash(after: round % 4)
    }
    bench.run()
    #expect(bench.ids == (0..<2_000).map { "e\($0)" } && bench.notes.count == 40)
    #expect(bench.notes.map(\.line) == (1...40).map { UInt64($0 * 51) })
    #expect(bench.counts.repeats == 0)
  }

  @Test func `a replaced file is read from its beginning`() {
    let bench = IngestBench(IngestOptions())
    bench.files.put(path, lines(0..<10))
    bench.run()
    bench.files.delete(path)
    bench.files.put(path, lines(5..<20))
    bench.run(again: true)
    #expect(bench.ids == (0..<20).map { "e\($0)" } && bench.counts.repeats == 5)
  }

  @Test(arguments: [10, 500]) func `a file that is truncated and written anew is read anew`(count: Int) {
    for again in [true, false] {
      let bench = IngestBench(IngestOptions())
      bench.files.put(path, lines(0..<count))
      bench.run()
      // Another beginning, shorter; then longer.
      bench.files.put(path, lines(0..<3, "f"))
      bench.run(again: again)
      bench.files.put(path, lines(0..<count * 2, "g"))
      bench.run(again: again)
      // The same beginning, shorter than before, and growing.
      bench.files.put(path, lines(0..<count + count / 2, "g"))
      bench.run(again: again)
      bench.files.append(path, lines(0..<5, "h"))
      bench.run(again: again)
      let expected =
        (0..<count).map { "e\($0)" } + (0..<3).map { "f\($0)" }
        + (0..<count * 2).map { "g\($0)" } + (0..<5).map { "h\($0)" }
      #expect(bench.ids == expected, "\(count) lines, again \(again)")
      #expect(bench.worker.progress.failure == nil)
    }
  }

  @Test func `a file that is emptied and filled again under one process goes on`() {
    let bench = IngestBench(IngestOptions())
    bench.files.put(path, lines(0..<500))
    bench.run()
    bench.files.put(path, "")
    bench.run(again: true)
    bench.files.put(path, lines(500..<1_000))
    bench.run(again: true)
    #expect(bench.ids == (0..<1_000).map { "e\($0)" })
  }

  @Test
  func `a file that cannot be opened is reported, the others are read, and it is tried when it changes`() {
    let bench = IngestBench(IngestOptions())
    bench.files.put(path, lines(0..<1))
    bench.files.put("shop/events/b.jsonl", lines(1..<2))
    bench.files.refused = [path]
    bench.run()
    #expect(bench.ids == ["e1"] && bench.worker.progress.problems.map(\.code) == ["E0221"])
    bench.files.refused = []
    bench.files.append(path, lines(2..<3))
    bench.run(again: true)
    #expect(bench.ids == ["e1", "e0", "e2"])
  }

  @Test func `a packed file is read like a plain one, and on when a member is appended`() throws {
    let bench = IngestBench(IngestOptions())
    let packed = "shop/events/a.jsonl.gz"
    // The last line of a complete stream needs no newline.
    bench.files.put(packed, try gzip(lines(0..<3_000)) + (try gzip(String(lines(3_000..<3_001).dropLast()))))
    bench.run()
    #expect(bench.ids == (0..<3_001).map { "e\($0)" })
    bench.files.put(packed, bench.files.nodes[packed]!.bytes + (try gzip("\n" + lines(3_001..<3_010))))
    bench.run(again: true)
    #expect(bench.ids == (0..<3_010).map { "e\($0)" } && bench.counts.repeats == 0)
    bench.run()
    #expect(bench.counts.lines == 0 && bench.worker.progress.problems.isEmpty)
  }

  @Test func `a damaged packed file gives the lines before the damage and one record`() throws {
    let bench = IngestBench()
    let good = try gzip(lines(0..<2_000))
    var bad = try gzip(lines(2_000..<60_000))
    let middle = bad.count / 2
    for index in middle..<middle + 64 { bad[index] = ~bad[index] }
    bench.files.put("shop/events/a.jsonl.gz", good + bad)
    bench.files.put("shop/events/b.jsonl", lines(0..<1, "b"))
    for _ in 0..<3 { bench.run() }
    #expect(bench.ids.prefix(2_000) == (0..<2_000).map { "e\($0)" }[...] && bench.ids.last == "b0")
    #expect(bench.notes.filter { $0.code == "E0219" }.count == 1, "\(bench.notes.map(\.code))")
    #expect(bench.worker.progress.problems.map(\.code) == ["E0219"])
  }

  @Test func `a packed file that is cut gives what it holds so far, and the rest when it is there`() throws {
    let bench = IngestBench(IngestOptions())
    let whole = try gzip(lines(0..<40_000))
    bench.files.put("shop/events/a.jsonl.gz", Array(whole.prefix(whole.count / 2)))
    bench.run()
    let some = bench.ids.count
    #expect(some > 0 && some < 40_000 && bench.worker.progress.problems.map(\.code) == ["E0219"])
    bench.files.put("shop/events/a.jsonl.gz", whole)
    bench.run(again: true)
    #expect(bench.ids == (0..<40_000).map { "e\($0)" } && bench.notes.isEmpty && bench.counts.repeats == 0)
  }

  private func gzip(_ text: String) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-c"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    let writer = Thread {
      input.fileHandleForWriting.write(Data(text.utf8))
      input.fileHandleForWriting.closeFile()
    }
    writer.start()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return [UInt8](bytes)
  }
}
