import MoontideCore

/// An open file of the log, with its path for messages and the log's own errors.
struct LogFile: Sendable {
  let path: String
  let file: any File

  func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(LogError) -> Int
  {
    do { return try file.read(at: offset, count: count, into: &buffer, at: index) } catch {
      throw .file(error)
    }
  }

  /// Reads exactly `count` bytes; fewer are damage.
  func readAll(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(LogError) {
    let got = try read(at: offset, count: count, into: &buffer, at: index)
    if got != count {
      throw damaged(at: offset + UInt64(got), "the file ends here, \(count - got) bytes early")
    }
  }

  func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(LogError) {
    do { try file.write(bytes, range, at: offset) } catch { throw .file(error) }
  }

  func sync() throws(LogError) {
    do { try file.sync() } catch { throw .file(error) }
  }

  func size() throws(LogError) -> UInt64 {
    do { return try file.size() } catch { throw .file(error) }
  }

  func truncate(to bytes: UInt64) throws(LogError) {
    do { try file.truncate(to: bytes) } catch { throw .file(error) }
  }

  func damaged(at offset: UInt64, _ reason: String) -> LogError {
    .damaged(file: path, byteOffset: offset, reason: reason)
  }
}

/// A directory of the log, with the log's own errors.
struct LogDirectory: Sendable {
  let files: any FileSystem
  let path: String

  func open(_ name: String, _ mode: FileMode) throws(LogError) -> LogFile {
    let full = "\(path)/\(name)"
    do { return LogFile(path: full, file: try files.open(full, mode)) } catch { throw .file(error) }
  }

  func list() throws(LogError) -> [String] {
    do { return try files.list(path) } catch { throw .file(error) }
  }

  func status(_ name: String) throws(LogError) -> FileStatus? {
    do { return try files.status("\(path)/\(name)") } catch { throw .file(error) }
  }

  func create() throws(LogError) {
    do { try files.createDirectory(path) } catch { throw .file(error) }
  }

  func rename(_ from: String, to: String) throws(LogError) {
    do { try files.rename("\(path)/\(from)", to: "\(path)/\(to)") } catch { throw .file(error) }
  }

  func remove(_ name: String) throws(LogError) {
    do { try files.remove("\(path)/\(name)") } catch { throw .file(error) }
  }

  func sync() throws(LogError) {
    do { try files.syncDirectory(path) } catch { throw .file(error) }
  }

  /// Makes the directory itself durable, by its entry in the one above.
  func syncAbove() throws(LogError) {
    let above = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    do { try files.syncDirectory(above) } catch { throw .file(error) }
  }
}

extension LogError {
  /// The system's reason, where it is one of the system.
  var reason: String {
    if case .file(let error) = self { return "\(error.operation): \(error.reason)" }
    return "\(self)"
  }
}
