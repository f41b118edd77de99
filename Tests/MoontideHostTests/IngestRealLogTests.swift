import Foundation
import MoontideCore
import MoontideHost
import MoontideJSON
import MoontideLog
import BorrowedFixtures
import Testing

/// Ingest over the durable log and real files.
struct IngestRealLogTests {
  /// A folder that goes with the test.
  final class Folder {
    let url: URL
    let files = PosixFileSystem()
    init() throws {
      url = FileManager.default.temporaryDirectory.appendingPathComponent("ingest-\(UUID().uuidString)")
      try FileManager.default.createDirectory(
        at: url.appendingPathComponent("events"), withIntermediateDirectories: true)
    }
    deinit {
      do { try FileManager.default.removeItem(at: url) } catch { print("left behind: \(url.path): \(error)") }
    }

    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: url.appendingPathComponent("events/\(name)"))
    }

    func append(_ name: String, _ text: String) throws {
      let handle = try FileHandle(forWritingTo: url.appendingPathComponent("events/\(name)"))
      handle.seekToEndOfFile()
      handle.write(Data(text.utf8))
      try handle.close()
    }

    func log() throws -> SegmentedLog {
      try SegmentedLog(
        directory: url.appendingPathComponent("log").path, files: files, clock: SystemClock(),
        randomness: SystemRandomness())
    }

    func worker(_ log: SegmentedLog, _ options: IngestOptions = IngestOptions(once: true)) -> IngestWorker {
      IngestWorker(
        directory: EventDirectory(path: url.appendingPathComponent("events").path, files: files),
        files: files,
        log: log, clock: SystemClock(), options: options)
    }
  }

  /// Every durable event as a line, and every quarantine note.
  func content(_ log: SegmentedLog) throws -> (lines: [String], notes: [QuarantineNote]) {
    let batch = RecordBatch()
    var (lines, notes, position) = ([String](), [QuarantineNote](), Position.start)
    while position < log.durableEnd {
      position = try log.read(
        from: position, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      for record in batch.records {
        if record.envelope.kind == .quarantine {
          let data = Data(batch.bytes[record.envelope.data.indices])
          notes.append(try JSONDecoder().decode(QuarantineNote.self, from: data))
        } else {
          var line: [UInt8] = []
          JSONWriter.appendLine(record.envelope, in: batch.bytes, recordedMicroseconds: nil, to: &line)
          lines.append(String(decoding: line, as: UTF8.self))
        }
      }
    }
    return (lines, notes)
  }

  @Test(.needsBorrowedFixtures)
  func `a set with thousands of lines repeated over several files is kept once`() throws {
    let url = try BorrowedFixtures.events("orders")
    let lines = try IngestSharedSetsTests.unpacked(url).split(separator: 0x0A)
      .map { String(decoding: $0, as: UTF8.self) }
    let folder = try Folder()
    var (first, second, third) = ("", "", "")
    for (index, line) in lines.enumerated() {
      if index < lines.count / 2 { first += line + "\n" } else { second += line + "\n" }
      // Near ones and far ones.
      if index % 15 == 0 { first += line + "\n" }
      if index % 15 == 1 { third += line + "\n" }
    }
    let other = lines[7].replacingOccurrences(of: "\"data\":{", with: "\"data\":{\"changed\":true,")
    try folder.write("1.jsonl", first)
    try folder.write("2.jsonl", second)
    try folder.write("3.jsonl", third + other + "\n")
    let log = try folder.log()
    let worker = folder.worker(log)
    while worker.step() == .progressed {}
    #expect(worker.progress.failure == nil && worker.progress.isCaughtUp)
    #expect(worker.progress.counts.repeats > 2_900)
    let (kept, notes) = try content(log)
    #expect(kept.sorted() == lines.sorted())
    #expect(notes.map(\.code) == ["E0210"] && notes[0].file == "events/3.jsonl")
    #expect(notes[0].conflictPosition != nil && Data(base64Encoded: notes[0].rawBase64) == Data(other.utf8))
  }

  @Test func `a log that is opened again goes on where it was, whatever the size of the files`() throws {
    let folder = try Folder()
    var expected: [String] = []
    for name in ["a.jsonl", "b.jsonl"] { try folder.write(name, "") }
    for round in 0..<12 {
      for name in ["a.jsonl", "b.jsonl"] {
        var text = ""
        // Below, around and above the 4 KiB that identify a file.
        for number in 0..<(round * 9 % 40) {
          let line = IngestBench.line("\(name)-\(round)-\(number)", number)
          text += line
          expected.append(String(line.dropLast()))
        }
        try folder.append(name, text + (round % 3 == 0 ? "bad \(name) \(round)\n" : ""))
      }
      // No close: what is durable must be enough.
      let log = try folder.log()
      let worker = folder.worker(log)
      // Some rounds end in the middle.
      for _ in 0..<(round % 4 == 3 ? 3 : 100) { _ = worker.step() }
      #expect(worker.progress.failure == nil)
    }
    let log = try folder.log()
    let worker = folder.worker(log)
    while worker.step() == .progressed {}
    let (kept, notes) = try content(log)
    #expect(kept.sorted() == expected.sorted())
    #expect(notes.map(\.reason).count == 8)
    #expect(folder.worker(log).progress.counts.lines == 0)
  }
}
