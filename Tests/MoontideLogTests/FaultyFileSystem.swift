import Foundation
import MoontideCore

/// Files in memory with faults on order: a stand-in for a disk that is full or broken.
///
/// `@unchecked Sendable`: everything mutable is guarded by `lock`.
final class FaultyFileSystem: FileSystem, @unchecked Sendable {
  final class Content {
    var bytes: [UInt8] = []
    /// How many of them a power cut leaves for sure.
    var syncedCount = 0
  }

  private let lock = NSRecursiveLock()
  private var contents: [String: Content] = [:]
  private var directories: Set<String> = []
  private var syncCount = 0
  private var directorySyncCount = 0
  private var syncsFail = false
  private var roomLeft = Int.max
  private var truncatesFail = false
  private var renamesLeft = Int.max
  private var onSync: (@Sendable () -> Void)?

  func guarded<R>(_ body: (FaultyFileSystem) -> R) -> R {
    lock.lock()
    defer { lock.unlock() }
    return body(self)
  }

  /// How many times a file was synced.
  var syncs: Int { guarded { $0.syncCount } }
  var directorySyncs: Int { guarded { $0.directorySyncCount } }
  var paths: [String] { guarded { $0.contents.keys.sorted() } }

  func failSyncs(_ fail: Bool = true) { guarded { $0.syncsFail = fail } }
  func failTruncates(_ fail: Bool = true) { guarded { $0.truncatesFail = fail } }
  /// After so many more bytes a write stops half way with ENOSPC.
  func setRoom(_ bytes: Int) { guarded { $0.roomLeft = bytes } }
  /// After so many more renames they fail.
  func setRenames(_ count: Int) { guarded { $0.renamesLeft = count } }
  /// Is called in each sync of a file, before it counts.
  func setOnSync(_ body: (@Sendable () -> Void)?) { guarded { $0.onSync = body } }

  func syncedBytes(_ path: String) -> Int { guarded { $0.contents[path]?.syncedCount ?? 0 } }
  func bytes(_ path: String) -> [UInt8] { guarded { $0.contents[path]?.bytes ?? [] } }
  func setBytes(_ path: String, _ bytes: [UInt8]) {
    guarded { files in
      let content = Content()
      content.bytes = bytes
      content.syncedCount = bytes.count
      files.contents[path] = content
    }
  }

  /// A copy of all files, as another process would find them now.
  func copy() -> FaultyFileSystem {
    let other = FaultyFileSystem()
    for path in paths { other.setBytes(path, bytes(path)) }
    guarded { files in other.directories = files.directories }
    return other
  }

  private func error(_ operation: String, _ path: String, _ code: Int32) -> FileError {
    FileError(operation: operation, path: path, errno: code, reason: String(cString: strerror(code)))
  }

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    let found = guarded { files -> Content? in
      if files.contents[path] == nil, mode != .read {
        files.contents[path] = Content()
      } else if mode == .create {
        return nil
      }
      return files.contents[path]
    }
    guard let found else { throw error("open", path, mode == .create ? EEXIST : ENOENT) }
    return OpenFile(files: self, path: path, content: found)
  }

  func list(_ directory: String) throws(FileError) -> [String] {
    paths.compactMap { path in
      guard path.hasPrefix(directory + "/") else { return nil }
      let name = path.dropFirst(directory.count + 1)
      return name.contains("/") ? nil : String(name)
    }
  }

  func status(_ path: String) throws(FileError) -> FileStatus? {
    guarded { files in
      files.contents[path].map {
        FileStatus(bytes: UInt64($0.bytes.count), isDirectory: false, inode: 0, modifiedMicroseconds: 0)
      }
    }
  }

  func createDirectory(_ path: String) throws(FileError) { guarded { _ = $0.directories.insert(path) } }

  func rename(_ from: String, to: String) throws(FileError) {
    let moved = guarded { files -> Bool in
      if files.renamesLeft == 0 { return false }
      if files.renamesLeft != .max { files.renamesLeft -= 1 }
      guard let content = files.contents.removeValue(forKey: from) else { return false }
      files.contents[to] = content
      return true
    }
    if !moved { throw error("rename", from, ENOENT) }
  }

  func remove(_ path: String) throws(FileError) { guarded { $0.contents[path] = nil } }
  func syncDirectory(_ path: String) throws(FileError) { guarded { $0.directorySyncCount += 1 } }

  /// `@unchecked Sendable`: the content is only touched under the lock of the file system.
  private final class OpenFile: File, @unchecked Sendable {
    let files: FaultyFileSystem
    let path: String
    let content: Content

    init(files: FaultyFileSystem, path: String, content: Content) {
      self.files = files
      self.path = path
      self.content = content
    }

    func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError)
      -> Int
    {
      files.lock.lock()
      defer { files.lock.unlock() }
      let start = min(Int(offset), content.bytes.count)
      let got = min(count, content.bytes.count - start)
      if got > 0 { buffer.replaceSubrange(index..<index + got, with: content.bytes[start..<start + got]) }
      return got
    }

    func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {
      files.lock.lock()
      defer { files.lock.unlock() }
      let some = min(range.count, files.roomLeft)
      if files.roomLeft != .max { files.roomLeft -= some }
      let end = Int(offset) + some
      if content.bytes.count < end {
        content.bytes.append(contentsOf: repeatElement(0, count: end - content.bytes.count))
      }
      content.bytes.replaceSubrange(
        Int(offset)..<end, with: bytes[range.lowerBound..<range.lowerBound + some])
      if some < range.count { throw files.error("write", path, ENOSPC) }
    }

    func sync() throws(FileError) {
      files.guarded { $0.onSync }?()
      let failed = files.guarded { files -> Bool in
        files.syncCount += 1
        if !files.syncsFail { content.syncedCount = content.bytes.count }
        return files.syncsFail
      }
      if failed { throw files.error("sync", path, EIO) }
    }

    func size() throws(FileError) -> UInt64 { files.guarded { _ in UInt64(content.bytes.count) } }

    func truncate(to bytes: UInt64) throws(FileError) {
      let failed = files.guarded { files -> Bool in
        if files.truncatesFail { return true }
        if content.bytes.count > Int(bytes) { content.bytes.removeLast(content.bytes.count - Int(bytes)) }
        return false
      }
      if failed { throw files.error("truncate", path, EIO) }
    }
  }
}
