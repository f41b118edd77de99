import Foundation
import MoontideCore
import Synchronization
import Testing

@testable import MoontideHost

/// The files of kept folds: what may stay, and what goes when.
final class FoldCacheTests {
  private final class HandClock: WallClock {
    private let time = Mutex<Duration>(.seconds(1_700_000_000))
    var now: EventTime { EventTime(microseconds: Int64(monotonic / .microseconds(1))) }
    var monotonic: Duration { time.withLock { $0 } }
    func sleep(for duration: Duration) { time.withLock { $0 += duration } }
  }

  private let folder = FileManager.default.temporaryDirectory.appending(path: "folds-\(UUID().uuidString)")
  private let clock = HandClock()
  private let files = SystemSurroundings.files

  deinit {
    do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
  }

  private func cache(_ name: String = "sums") throws -> FoldCache {
    try FoldCache(
      ProjectPaths(root: folder.path), name, files: files, clock: clock,
      randomness: SystemSurroundings.randomness)
  }

  /// Work of that many bytes.
  private func work(_ cache: FoldCache, bytes: Int) throws -> FoldCache.Work {
    let work = try cache.work()
    try files.open(work.path, .create).write([UInt8](repeating: 7, count: bytes), 0..<bytes, at: 0)
    return work
  }

  private func note(_ position: UInt64, script: String = "1", role: FoldNote.Role = .mark) -> FoldNote {
    FoldNote(
      log: "l", scriptVersion: script, position: Position(position), fingerprint: .zero, span: FoldSpan(),
      decided: 0, role: role)
  }

  /// Makes everything that is there as old as the hand clock says: files have the time of the system.
  private func settle(_ cache: FoldCache) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: cache.folder) {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: clock.monotonic / .seconds(1))],
        ofItemAtPath: cache.folder + "/" + name)
    }
  }

  private func positions(_ cache: FoldCache, script: String = "1") throws -> [UInt64] {
    try cache.kept(log: "l", scriptVersion: script).map(\.note.position.value)
  }

  @Test
  func `marks stay within the bound of bytes while a fold goes on, and none that is young goes for them`()
    throws
  {
    let cache = try cache()
    let work = try work(cache, bytes: 100)
    func keep(_ position: UInt64) throws -> Bool {
      let kept = try cache.kept(log: "l", scriptVersion: "1")
      let isKept = try cache.admits(note(position), of: work, beside: kept, bytesMax: 250)
      if isKept { try cache.keepCopy(of: work, note(position)) }
      try settle(cache)
      return isKept
    }
    #expect(try [10, 20, 30].map(keep) == [true, true, false])
    #expect(try positions(cache) == [10, 20])
    clock.sleep(for: .seconds(5))
    #expect(try keep(30))
    #expect(try positions(cache).count == 2)
    let large = try self.work(cache, bytes: 300)
    #expect(try !cache.admits(note(40), of: large, beside: [], bytesMax: 250))
    try cache.drop(large)
    // The finished work counts too, and stays.
    clock.sleep(for: .seconds(5))
    let name = try cache.keep(work, note(50, role: .answer)).name
    try settle(cache)
    clock.sleep(for: .seconds(5))
    try cache.prune(try cache.kept(log: "l", scriptVersion: "1"), keeping: name, bytesMax: 250)
    let left = try cache.kept(log: "l", scriptVersion: "1").map(\.name)
    #expect(left.count == 2 && left.contains(name))
  }

  @Test func `folds of an edited script go, but not those that somebody may be about to open`() throws {
    let cache = try cache()
    let kept = try cache.keep(try work(cache, bytes: 10), note(10))
    try settle(cache)
    #expect(try positions(cache, script: "2") == [])
    #expect(try files.status(cache.path(kept.name)) != nil)
    clock.sleep(for: .seconds(5))
    #expect(try positions(cache, script: "2") == [])
    #expect(try files.status(cache.path(kept.name)) == nil)
  }

  @Test func `what is kept of a read model that is no more goes after a while`() throws {
    let (old, new) = (try cache("old"), try cache("new"))
    for cache in [old, new] {
      _ = try cache.keep(try work(cache, bytes: 10), note(10))
      try settle(cache)
    }
    try new.forgetOthers(than: ["new"])
    #expect(try positions(old) == [10])
    clock.sleep(for: .seconds(100))
    try new.forgetOthers(than: ["new"])
    #expect(try files.list(old.folder) == [])
    #expect(try positions(new) == [10])
  }
}
