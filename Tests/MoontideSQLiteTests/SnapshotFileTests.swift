import Foundation
import MoontideCore
import Testing

@testable import MoontideSQLite

/// A cache of which nothing is flushed: whatever a power cut makes of it, nothing wrong comes out.
struct SnapshotFileTests {
  private let scratch: Scratch
  private let path: String
  private let stream = StreamSnapshot(
    topic: TopicName("accounts")!, key: Array("k".utf8), version: 3, position: Position(7),
    fingerprint: Digest.zero.adding("event"), state: [1, 2, 3])
  private static let (old, new) = (Digest.zero.adding("old"), Digest.zero.adding("new"))

  private static func mark(_ position: UInt64) -> LogMark {
    LogMark(position: Position(position), fingerprint: Digest.zero.adding(position))
  }

  init() throws {
    scratch = try Scratch()
    path = scratch.file("d.sqlite")
  }

  private func open(_ content: Digest) throws -> SnapshotFile {
    let path = path
    return try SnapshotFile(path: path, content: content, log: "log") { () throws(StoreError) in
      for ending in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: path + ending) {
        do { try FileManager.default.removeItem(atPath: path + ending) } catch {
          throw .io(path: path, reason: "\(error)")
        }
      }
    }
  }

  private func find(_ file: SnapshotFile) throws -> StreamSnapshot? {
    try file.snapshot(topic: stream.topic, key: stream.key)
  }

  @Test func `what was kept is there for the same scripts, and for no others`() throws {
    try open(Self.old).keep([stream], reached: Self.mark(9))
    let again = try open(Self.old)
    #expect(try find(again) == stream && again.reached() == Self.mark(9))
    #expect(SnapshotFile.reached(path: path, content: Self.old) == Position(9))
    let edited = try open(Self.new)
    #expect(try find(edited) == nil && edited.reached() == nil)
    #expect(SnapshotFile.reached(path: path, content: Self.old) == nil)
  }

  /// A power cut may leave the page with the owner and not the one with the rows.
  @Test func `rows of other scripts in a file of these are not there`() throws {
    try open(Self.old).keep([stream], reached: Self.mark(9))
    let connection = try Connection(path, .readWrite)
    try connection.script("update owner set content = '\(Self.new)'")
    let file = try open(Self.new)
    #expect(try find(file) == nil && file.reached() == nil)
    try file.keep([stream], reached: Self.mark(11))
    #expect(try find(file) == stream && file.reached() == Self.mark(11))
  }

  @Test func `a place that was changed is not known`() throws {
    try open(Self.old).keep([stream], reached: Self.mark(9))
    try Connection(path, .readWrite).script("update owner set reached = 4000")
    #expect(try open(Self.old).reached() == nil)
  }

  @Test func `a file that cannot be used is made anew, at its opening and later`() throws {
    try Data("this is no database, but it is long enough to be looked at".utf8).write(
      to: URL(fileURLWithPath: path))
    let file = try open(Self.old)
    try file.keep([stream], reached: Self.mark(9))
    #expect(try find(file) == stream)
    let connection = try Connection(path, .readWrite)
    try connection.script("drop table snapshots")
    try file.keep([stream], reached: Self.mark(10))
    #expect(try find(file) == stream && file.reached() == Self.mark(10))
  }
}
