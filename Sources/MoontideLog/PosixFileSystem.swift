import Glibc
public import MoontideCore

/// The file system of the machine. Stateless; any thread.
public struct PosixFileSystem: FileSystem {
  public init() {}

  public func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    let flags: Int32 =
      switch mode {
      // Without it, opening a pipe that nobody writes to waits for ever. Regular files do not mind.
      case .read: O_RDONLY | O_NONBLOCK
      case .readWrite: O_RDWR | O_CREAT
      case .create: O_RDWR | O_CREAT | O_EXCL
      }
    while true {
      let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o644)
      if descriptor >= 0 {
        let file = PosixFile(descriptor: descriptor, path: path)
        try refusePipe(descriptor, path)
        return file
      }
      if errno != EINTR { throw FileError.last("open", path) }
    }
  }

  /// Pipes, sockets and devices have no offsets, by which everything here reads.
  private func refusePipe(_ descriptor: Int32, _ path: String) throws(FileError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.last("status", path) }
    let kind = status.st_mode & S_IFMT
    if kind == S_IFDIR {
      throw FileError(operation: "open", path: path, errno: EISDIR, reason: "Is a directory")
    }
    guard kind != S_IFREG else { return }
    throw FileError(
      operation: "open", path: path, errno: ESPIPE, reason: "it is a pipe, a socket or a device, not a file")
  }

  public func list(_ directory: String) throws(FileError) -> [String] {
    guard let stream = opendir(directory) else { throw FileError.last("list", directory) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw FileError.last("list", directory) }
        break
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  public func status(_ path: String) throws(FileError) -> FileStatus? {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw FileError.last("status", path)
    }
    var result = FileStatus(
      bytes: UInt64(status.st_size), isDirectory: status.st_mode & S_IFMT == S_IFDIR,
      inode: UInt64(status.st_ino),
      modifiedMicroseconds: Int64(status.st_mtim.tv_sec) * 1_000_000 + Int64(status.st_mtim.tv_nsec) / 1_000)
    result.device = UInt64(status.st_dev)
    result.isRegular = status.st_mode & S_IFMT == S_IFREG
    return result
  }

  public func createDirectory(_ path: String) throws(FileError) {
    if mkdir(path, 0o755) == 0 { return }
    if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
      try createDirectory(String(path[..<slash]))
      if mkdir(path, 0o755) == 0 { return }
    }
    guard errno == EEXIST else { throw FileError.last("create directory", path) }
    if let status = try status(path), !status.isDirectory {
      errno = ENOTDIR
      throw FileError.last("create directory", path)
    }
  }

  public func rename(_ from: String, to: String) throws(FileError) {
    guard Glibc.rename(from, to) == 0 else { throw FileError.last("rename", from) }
  }

  public func link(_ from: String, to: String) throws(FileError) {
    guard Glibc.link(from, to) == 0 else { throw FileError.last("link", from) }
  }

  public func remove(_ path: String) throws(FileError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw FileError.last("remove", path) }
  }

  public func room(_ directory: String) throws(FileError) -> FileRoom? {
    var system = statvfs()
    guard statvfs(directory, &system) == 0 else { throw FileError.last("status", directory) }
    let unit = UInt64(system.f_frsize)
    return FileRoom(free: UInt64(system.f_bavail) * unit, total: UInt64(system.f_blocks) * unit)
  }

  public func syncDirectory(_ path: String) throws(FileError) {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError.last("open", path) }
    defer { _ = close(descriptor) }
    while fsync(descriptor) != 0 {
      if errno != EINTR { throw FileError.last("sync", path) }
    }
  }
}
