import MoontideCore
import Synchronization

/// Files in memory, with a count of operations and a disk that can be full: what a simulator would bring.
final class MemoryFileSystem: FileSystem {
  final class Content: Sendable {
    let bytes = Mutex<[UInt8]>([])
  }
  struct State {
    var contents: [String: Content] = [:]
    var isFull = false
    var failsSync = false
    var syncs = 0
    var writes = 0
  }
  let state = Mutex(State())

  static func failure(_ operation: String, _ path: String, _ errno: Int32) -> FileError {
    FileError(operation: operation, path: path, errno: errno, reason: "simulated")
  }

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    try state.withLock { (state) throws(FileError) in
      if let known = state.contents[path] { return OpenFile(path, known, self) }
      if mode == .read { throw Self.failure("open", path, 2) }
      let made = Content()
      state.contents[path] = made
      return OpenFile(path, made, self)
    }
  }

  func list(_ directory: String) throws(FileError) -> [String] {
    state.withLock { $0.contents.keys.sorted() }
  }
  func status(_ path: String) throws(FileError) -> FileStatus? {
    state.withLock { state in
      state.contents[path].map { content in
        FileStatus(
          bytes: UInt64(content.bytes.withLock { $0.count }), isDirectory: false, inode: 1,
          modifiedMicroseconds: 0)
      }
    }
  }
  func createDirectory(_ path: String) throws(FileError) {}
  func rename(_ from: String, to: String) throws(FileError) {
    state.withLock { $0.contents[to] = $0.contents.removeValue(forKey: from) }
  }
  func remove(_ path: String) throws(FileError) {
    _ = state.withLock { $0.contents.removeValue(forKey: path) }
  }
  func syncDirectory(_ path: String) throws(FileError) {}

  final class OpenFile: File {
    let path: String
    let content: Content
    let system: MemoryFileSystem
    init(_ path: String, _ content: Content, _ system: MemoryFileSystem) {
      self.path = path
      self.content = content
      self.system = system
    }

    func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError)
      -> Int
    {
      content.bytes.withLock { bytes in
        let found = max(0, min(count, bytes.count - Int(offset)))
        for place in 0..<found { buffer[index + place] = bytes[Int(offset) + place] }
        return found
      }
    }
    func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {
      let isFull = system.state.withLock { state in
        state.writes += 1
        return state.isFull
      }
      if isFull { throw MemoryFileSystem.failure("write", path, 28) }
      content.bytes.withLock { own in
        let end = Int(offset) + range.count
        if own.count < end { own += [UInt8](repeating: 0, count: end - own.count) }
        own.replaceSubrange(Int(offset)..<end, with: bytes[range])
      }
    }
    func sync() throws(FileError) {
      let fails = system.state.withLock { state in
        state.syncs += 1
        return state.failsSync
      }
      if fails { throw MemoryFileSystem.failure("sync", path, 5) }
    }
    func size() throws(FileError) -> UInt64 { UInt64(content.bytes.withLock { $0.count }) }
    func truncate(to bytes: UInt64) throws(FileError) {
      content.bytes.withLock { own in
        if own.count > Int(bytes) { own.removeSubrange(Int(bytes)...) }
      }
    }
  }
}

final class CountingNumbers: Randomness {
  private let count = Mutex<UInt64>(0)
  func next() -> UInt64 {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}
