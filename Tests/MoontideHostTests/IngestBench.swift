import Foundation
import MoontideCore
import MoontideHost
import MoontideJSON

/// Files, a log and ingest over them, driven in one thread.
final class IngestBench {
  let files = IngestMemoryFiles()
  let log: IngestMemoryLog
  private(set) var worker: IngestWorker
  private let options: IngestOptions

  init(_ options: IngestOptions = IngestOptions(once: true), log: IngestMemoryLog = IngestMemoryLog()) {
    self.log = log
    self.options = options
    worker = IngestBench.worker(files, log, options)
  }

  private static func worker(
    _ files: IngestMemoryFiles, _ log: IngestMemoryLog, _ options: IngestOptions
  ) -> IngestWorker {
    IngestWorker(
      directory: EventDirectory(path: "shop/events", files: files), files: files, log: log,
      clock: StoppedClock(), options: options)
  }

  /// Steps until nothing is left to do; a new process unless `again`.
  func run(again: Bool = false) {
    if !again { worker = IngestBench.worker(files, log, options) }
    var steps = 0
    while worker.step() == .progressed {
      steps += 1
      precondition(steps < 1_000_000, "ingest does not come to an end")
    }
  }

  /// The same, but the process is gone after `steps` steps.
  func crash(after steps: Int) {
    worker = IngestBench.worker(files, log, options)
    for _ in 0..<steps { _ = worker.step() }
  }

  var counts: IngestCounts { worker.progress.counts }
  var events: [IngestMemoryLog.Kept] { log.records.filter { $0.kind == .event } }
  var ids: [String] { events.map(\.id) }
  var notes: [QuarantineNote] {
    log.records.filter { $0.kind == .quarantine }.map { record in
      do {
        return try JSONDecoder().decode(QuarantineNote.self, from: Data(record.data.utf8))
      } catch {
        preconditionFailure("a quarantine record is no note: \(record.data): \(error)")
      }
    }
  }
  func raw(_ note: QuarantineNote) -> [UInt8] { [UInt8](Data(base64Encoded: note.rawBase64) ?? Data()) }

  static func line(_ id: String, _ value: Int = 1) -> String {
    #"{"id":"\#(id)","type":"Happened","data":{"n":\#(value)}}"# + "\n"
  }
}
