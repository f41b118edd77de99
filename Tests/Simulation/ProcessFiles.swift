import Glibc
import MoontideCore

/// A `SimulatedDisk` as one process sees it; after its death every call fails.
struct ProcessFiles: FileSystem {
  let disk: SimulatedDisk
  let epoch: Int

  private func run<Value>(
    _ operation: String, _ path: String, rate: Double, code: Int32 = EIO, changes: Bool,
    _ effect: () throws(FileError) -> Value
  ) throws(FileError) -> Value {
    switch try disk.fate(operation, path, epoch: epoch, rate: rate, code: code, changes: changes) {
    case .goesOn: return try effect()
    case .fails(let code): throw disk.error(operation, path, code)
    case .dies(let after):
      if after { _ = try effect() }
      throw disk.error(operation, path, EIO)
    }
  }

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    let isNew = disk.node(path) == nil && mode != .read
    return try run("open", path, rate: disk.faults.open, code: EMFILE, changes: isNew) {
      () throws(FileError) -> any File in
      if let known = disk.node(path) {
        if mode == .create { throw disk.error("open", path, EEXIST) }
        if known.isDirectory { throw disk.error("open", path, EISDIR) }
        return ProcessFile(disk: disk, epoch: epoch, path: path, node: known)
      }
      guard mode != .read, disk.node(SimulatedDisk.directory(of: path))?.isDirectory == true else {
        throw disk.error("open", path, ENOENT)
      }
      let made = disk.create(path, isDirectory: false)
      return ProcessFile(disk: disk, epoch: epoch, path: path, node: made)
    }
  }

  func list(_ directory: String) throws(FileError) -> [String] {
    try run("list", directory, rate: disk.faults.names, changes: false) { () throws(FileError) in
      guard disk.node(directory)?.isDirectory == true else { throw disk.error("list", directory, ENOENT) }
      return disk.names(in: directory)
    }
  }

  func status(_ path: String) throws(FileError) -> FileStatus? {
    try run("status", path, rate: disk.faults.names / 4, changes: false) { () throws(FileError) in
      disk.node(path).map {
        FileStatus(
          bytes: UInt64($0.cache.count), isDirectory: $0.isDirectory, inode: $0.number,
          modifiedMicroseconds: $0.modified)
      }
    }
  }

  func createDirectory(_ path: String) throws(FileError) {
    let above = SimulatedDisk.directory(of: path)
    if !above.isEmpty, disk.node(above) == nil { try createDirectory(above) }
    let isNew = disk.node(path) == nil
    try run("create directory", path, rate: disk.faults.names, changes: isNew) { () throws(FileError) in
      if isNew { _ = disk.create(path, isDirectory: true) }
    }
  }

  func rename(_ from: String, to: String) throws(FileError) {
    try run("rename", from, rate: disk.faults.names, changes: true) { () throws(FileError) in
      guard disk.node(from) != nil else { throw disk.error("rename", from, ENOENT) }
      disk.move(from, to: to)
    }
  }

  func remove(_ path: String) throws(FileError) {
    let isThere = disk.node(path) != nil
    try run("remove", path, rate: disk.faults.names, changes: isThere) { () throws(FileError) in
      disk.unlink(path)
    }
  }

  func syncDirectory(_ path: String) throws(FileError) {
    try run("sync directory", path, rate: disk.faults.names, changes: true) { () throws(FileError) in
      guard disk.node(path)?.isDirectory == true else { throw disk.error("sync directory", path, ENOENT) }
      disk.settle(directory: path)
    }
  }
}

/// An open file of one process.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class ProcessFile: File, @unchecked Sendable {
  private let disk: SimulatedDisk
  private let epoch: Int
  private let path: String
  private let node: DiskNode

  init(disk: SimulatedDisk, epoch: Int, path: String, node: DiskNode) {
    self.disk = disk
    self.epoch = epoch
    self.path = path
    self.node = node
  }

  func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError) -> Int
  {
    if case .fails(let code) = try disk.fate(
      "read", path, epoch: epoch, rate: disk.faults.read, changes: false)
    {
      throw disk.error("read", path, code)
    }
    let start = min(Int(offset), node.cache.count)
    let got = min(count, node.cache.count - start)
    guard got > 0 else { return 0 }
    buffer.replaceSubrange(index..<index + got, with: node.cache[start..<start + got])
    if !disk.isPaused, SimulatedDisk.isOfLog(path), disk.numbers.chance(disk.faults.flip) {
      disk.noteFlip(path)
      buffer[index + disk.numbers.below(got)] ^= 1 << UInt8(disk.numbers.below(8))
    }
    return got
  }

  func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {
    let fate = try disk.fate("write", path, epoch: epoch, rate: disk.faults.write, changes: true)
    var count = range.count
    var code: Int32 = 0
    let growth = max(0, Int(offset) + count - node.cache.count)
    if !disk.isPaused, growth > disk.room {
      count -= min(count, growth - disk.room)
      code = ENOSPC
    }
    switch fate {
    case .goesOn: break
    case .fails(let refusal):
      count = disk.numbers.below(count + 1)
      code = refusal
    case .dies(let after):
      count = after ? count : disk.numbers.below(count + 1)
      code = EIO
    }
    let old = node.cache.count
    if count > 0 {
      node.write(bytes[range.lowerBound..<range.lowerBound + count], at: Int(offset))
      node.modified += 1
    }
    if disk.room != .max { disk.room -= max(0, node.cache.count - old) }
    if code != 0 { throw disk.error("write", path, code) }
  }

  func sync() throws(FileError) {
    switch try disk.fate("sync", path, epoch: epoch, rate: disk.faults.sync, changes: true) {
    case .goesOn: node.sync()
    case .fails(let code):
      node.failSync(disk.numbers)
      throw disk.error("sync", path, code)
    case .dies(let after):
      if after { node.sync() }
      throw disk.error("sync", path, EIO)
    }
  }

  func size() throws(FileError) -> UInt64 {
    _ = try disk.fate("size", path, epoch: epoch, rate: 0, changes: false)
    return UInt64(node.cache.count)
  }

  func truncate(to bytes: UInt64) throws(FileError) {
    switch try disk.fate("truncate", path, epoch: epoch, rate: disk.faults.names, changes: true) {
    case .goesOn: node.truncate(to: Int(bytes))
    case .fails(let code): throw disk.error("truncate", path, code)
    case .dies(let after):
      if after { node.truncate(to: Int(bytes)) }
      throw disk.error("truncate", path, EIO)
    }
  }
}
