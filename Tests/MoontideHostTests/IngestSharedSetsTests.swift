import Foundation
import MoontideCore
import MoontideHost
import BorrowedFixtures
import Testing

/// The real event sets, packed as they are.
@Suite(.needsBorrowedFixtures) struct IngestSharedSetsTests {
  /// `zlib` is what is tested, so the oracle is another program.
  static func unpacked(_ url: URL) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", url.path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return [UInt8](bytes)
  }

  @Test(arguments: ["webhooks", "orders", "flights-jan", "retail", "loans"])
  func `every line of a real set is taken from its packed file and comes out byte for byte`(set: String)
    throws
  {
    let url = try BorrowedFixtures.events(set)
    let bench = IngestBench()
    bench.files.put("shop/events/\(set).jsonl.gz", [UInt8](try Data(contentsOf: url)))
    bench.run()
    let lines = try IngestSharedSetsTests.unpacked(url).split(separator: 0x0A)
    #expect(bench.notes.isEmpty && bench.worker.progress.problems.isEmpty)
    #expect(bench.counts.lines == UInt64(lines.count))
    // A set may hold an id twice; then only the first is kept.
    #expect(bench.counts.events + bench.counts.repeats == bench.counts.lines)
    if bench.counts.repeats == 0 {
      let first = zip(bench.events, lines).firstIndex { !$0.line.utf8.elementsEqual($1) }
      #expect(first == nil, "line \(first.map { $0.0 } ?? 0) differs")
    }
  }
}

extension Sequence {
  /// The index of the first element that meets the condition, with the element.
  fileprivate func firstIndex(where condition: (Element) -> Bool) -> (Int, Element)? {
    for (index, element) in enumerated() where condition(element) { return (index, element) }
    return nil
  }
}
