import Foundation
import MoontideCore
import MoontideHost
import Testing

struct IngestWatchTests {
  func folder() throws -> URL {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("watch-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    return url
  }

  @Test func `a change in a folder ends the wait, none does not`() throws {
    let url = try folder()
    let watch = DirectoryWatch()
    watch.add(url.path)
    #expect(!watch.wait(for: .zero))
    let file = url.appendingPathComponent("a.jsonl")
    try Data("x\n".utf8).write(to: file)
    #expect(watch.wait(for: .seconds(10)))
    let handle = try FileHandle(forWritingTo: file)
    handle.seekToEndOfFile()
    handle.write(Data("y\n".utf8))
    #expect(watch.wait(for: .seconds(10)))
    try FileManager.default.moveItem(at: file, to: url.appendingPathComponent("b.jsonl"))
    #expect(watch.wait(for: .seconds(10)))
    try FileManager.default.removeItem(at: url)
    #expect(watch.wait(for: .seconds(10)))
    // A folder of the same name is another one.
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    watch.add(url.path)
    while watch.wait(for: .zero) {}
    try Data("x\n".utf8).write(to: file)
    #expect(watch.wait(for: .seconds(10)))
    try FileManager.default.removeItem(at: url)
  }

  @Test func `the stages take a large file on three threads`() throws {
    let bench = IngestBench()
    bench.files.put("shop/events/a.jsonl", (0..<50_000).map { IngestBench.line("e\($0)", $0) }.joined())
    let worker = bench.worker
    let stages: [@Sendable () -> Void] = [
      { [stage = Handed(worker.parsing)] in drive(stage.worker, stage.worker.wait) },
      { [stage = Handed(worker.appending)] in drive(stage.worker, stage.worker.wait) },
      { [stage = Handed(worker.flushing)] in drive(stage.worker, stage.worker.wait) },
    ]
    let done = DispatchGroup()
    for stage in stages {
      done.enter()
      Thread {
        stage()
        done.leave()
      }.start()
    }
    #expect(done.wait(timeout: .now() + 60) == .success)
    #expect(worker.progress.isCaughtUp && bench.ids == (0..<50_000).map { "e\($0)" })
  }
}

/// A worker on its way to the thread that owns it from then on.
private struct Handed<Stage: Worker>: @unchecked Sendable {
  let worker: Stage
  init(_ worker: Stage) { self.worker = worker }
}

private func drive(_ worker: any Worker, _ wait: (Duration) -> Void) {
  while true {
    switch worker.step() {
    case .progressed: continue
    case .idle(let pause): wait(pause)
    case .finished: return
    }
  }
}
