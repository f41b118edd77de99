import Foundation
import MoontideCore

/// Files in memory that a test writes, cuts and replaces.
final class IngestMemoryFiles: FileSystem, @unchecked Sendable {
  // One thread at a time: tests drive the workers by `step`.
  final class Node: File, @unchecked Sendable {
    var bytes: [UInt8]
    let inode: UInt64
    var modified: Int64
    init(_ bytes: [UInt8], inode: UInt64, modified: Int64) {
      self.bytes = bytes
      self.inode = inode
      self.modified = modified
    }

    func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError)
      -> Int
    {
      let start = min(Int(offset), bytes.count)
      let end = min(start + count, bytes.count)
      buffer.replaceSubrange(index..<index + end - start, with: bytes[start..<end])
      return end - start
    }
    func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {}
    func sync() throws(FileError) {}
    func size() throws(FileError) -> UInt64 { UInt64(bytes.count) }
    func truncate(to bytes: UInt64) throws(FileError) {}
  }

  private(set) var nodes: [String: Node] = [:]
  private var lastInode: UInt64 = 100
  private var time: Int64 = 0
  var refused: Set<String> = []

  func put(_ path: String, _ text: String) { put(path, Array(text.utf8)) }

  /// A new file, or new bytes in the same one.
  func put(_ path: String, _ bytes: [UInt8]) {
    time += 1
    if let node = nodes[path] {
      node.bytes = bytes
      node.modified = time
    } else {
      lastInode += 1
      nodes[path] = Node(bytes, inode: lastInode, modified: time)
    }
  }

  func append(_ path: String, _ text: String) { put(path, (nodes[path]?.bytes ?? []) + Array(text.utf8)) }

  func move(_ from: String, to: String) {
    nodes[to] = nodes[from]
    nodes[from] = nil
  }

  func delete(_ path: String) { nodes[path] = nil }

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    guard let node = nodes[path], !refused.contains(path) else {
      throw FileError(operation: "open", path: path, errno: 13, reason: "Permission denied")
    }
    return node
  }

  func list(_ directory: String) throws(FileError) -> [String] {
    let names = nodes.keys.filter { $0.hasPrefix(directory + "/") }
      .map { String($0.dropFirst(directory.count + 1).prefix { $0 != "/" }) }
    return Set(names).sorted()
  }

  func status(_ path: String) throws(FileError) -> FileStatus? {
    if let node = nodes[path] {
      return FileStatus(
        bytes: UInt64(node.bytes.count), isDirectory: false, inode: node.inode,
        modifiedMicroseconds: node.modified)
    }
    guard nodes.keys.contains(where: { $0.hasPrefix(path + "/") }) else { return nil }
    return FileStatus(bytes: 0, isDirectory: true, inode: 1, modifiedMicroseconds: 0)
  }

  func createDirectory(_ path: String) throws(FileError) {}
  func rename(_ from: String, to: String) throws(FileError) { move(from, to: to) }
  func remove(_ path: String) throws(FileError) { delete(path) }
  func syncDirectory(_ path: String) throws(FileError) {}
}

/// A clock that stands still.
struct StoppedClock: WallClock {
  var now: EventTime { EventTime(microseconds: 0) }
  var monotonic: Duration { .zero }
  func sleep(for duration: Duration) {}
}
