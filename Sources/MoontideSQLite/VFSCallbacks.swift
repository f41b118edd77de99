import CSQLite
import MoontideCore

/// The functions that SQLite calls on a `FileSystemVFS`; each finds its Swift object behind a `context` and
/// turns errors into codes.
enum VFSCallbacks {
  /// An open file.
  final class FileBox {
    let context: VFSContext
    let file: any File
    let path: String
    let locks: VFSLocks?
    /// Of a file that goes with its last user.
    let isTemporary: Bool
    /// The directory entry may not be on disk yet.
    var isNew: Bool
    var held = SQLITE_LOCK_NONE
    var buffer: [UInt8] = []

    init(
      _ context: VFSContext, _ file: any File, _ path: String, _ locks: VFSLocks?, isTemporary: Bool,
      isNew: Bool
    ) {
      self.context = context
      self.file = file
      self.path = path
      self.locks = locks
      self.isTemporary = isTemporary
      self.isNew = isNew
    }
  }

  typealias Handle = UnsafeMutablePointer<sqlite3_file>

  /// A struct to copy; name and context are the registrar's.
  nonisolated(unsafe) static let vfs: sqlite3_vfs = {
    var vfs = sqlite3_vfs()
    vfs.iVersion = 2
    vfs.szOsFile = Int32(MemoryLayout<mt_file>.size)
    vfs.mxPathname = 4_096
    vfs.xOpen = { open($0, $1, $2, $3, $4) }
    vfs.xDelete = { vfs, path, sync in delete(vfs, path, sync != 0) }
    vfs.xAccess = { access($0, $1, $3) }
    vfs.xFullPathname = { _, path, bytes, result in
      guard let path, let result, strlenOf(path) < Int(bytes) else { return SQLITE_CANTOPEN }
      result.update(from: path, count: strlenOf(path) + 1)
      return SQLITE_OK
    }
    vfs.xRandomness = { vfs, bytes, result in
      guard let result else { return 0 }
      for index in 0..<Int(bytes) {
        result[index] = CChar(truncatingIfNeeded: Int64(bitPattern: context(vfs).randomness.next()))
      }
      return bytes
    }
    vfs.xSleep = { vfs, microseconds in
      context(vfs).clock.sleep(for: .microseconds(Int(microseconds)))
      return microseconds
    }
    vfs.xCurrentTime = { vfs, days in
      days?.pointee = 2_440_587.5 + Double(context(vfs).clock.now.microseconds) / 86_400_000_000
      return SQLITE_OK
    }
    vfs.xCurrentTimeInt64 = { vfs, milliseconds in
      milliseconds?.pointee = 210_866_760_000_000 + context(vfs).clock.now.microseconds / 1_000
      return SQLITE_OK
    }
    vfs.xGetLastError = { vfs, _, _ in context(vfs).openingError.load(ordering: .relaxed) }
    return vfs
  }()

  /// Written once, before any file uses it, and never freed.
  nonisolated(unsafe) private static let methods: UnsafePointer<sqlite3_io_methods> = {
    var io = sqlite3_io_methods()
    io.iVersion = 2
    io.xClose = { close($0) }
    io.xRead = { read($0, $1, Int($2), $3) }
    io.xWrite = { write($0, $1, Int($2), $3) }
    io.xTruncate = { handle, bytes in
      attempt(IOCode.truncate) { () throws(FileError) in try box(handle).file.truncate(to: UInt64(bytes)) }
    }
    io.xSync = { handle, _ in sync(handle) }
    io.xFileSize = { handle, bytes in
      attempt(IOCode.fstat) { () throws(FileError) in
        bytes?.pointee = Int64(try box(handle).file.size())
      }
    }
    io.xLock = { handle, level in
      let box = box(handle)
      guard let locks = box.locks else { return SQLITE_OK }
      box.held = locks.lock(level, held: box.held)
      return box.held >= level ? SQLITE_OK : SQLITE_BUSY
    }
    io.xUnlock = { handle, level in
      let box = box(handle)
      box.locks?.unlock(to: level, held: box.held)
      box.held = min(box.held, level)
      return SQLITE_OK
    }
    io.xCheckReservedLock = { handle, result in
      result?.pointee = box(handle).locks?.isReserved == true ? 1 : 0
      return SQLITE_OK
    }
    io.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    io.xSectorSize = { _ in 4_096 }
    // As SQLite's own VFS says of every disk: a write leaves the bytes around it alone.
    io.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
    io.xShmMap = { handle, region, bytes, extend, result in
      result?.pointee = box(handle).locks?.region(Int(region), bytes: Int(bytes), create: extend != 0)
        .map { UnsafeMutableRawPointer($0) }
      return SQLITE_OK
    }
    io.xShmLock = { handle, offset, count, flags in
      guard let locks = box(handle).locks else { return IOCode.shmlock }
      return locks.shmLock(Int(offset)..<Int(offset + count), flags) ? SQLITE_OK : SQLITE_BUSY
    }
    // Every lock of ours is a full barrier.
    io.xShmBarrier = { handle in _ = box(handle).locks?.isReserved }
    io.xShmUnmap = { _, _ in SQLITE_OK }
    let place = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    place.initialize(to: io)
    return UnsafePointer(place)
  }()

  private static func strlenOf(_ text: UnsafePointer<CChar>) -> Int {
    var count = 0
    while text[count] != 0 { count += 1 }
    return count
  }

  private static func context(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> VFSContext {
    guard let data = vfs?.pointee.pAppData else { preconditionFailure("SQLite named no VFS") }
    return Unmanaged<VFSContext>.fromOpaque(data).takeUnretainedValue()
  }

  private static func box(_ handle: Handle?) -> FileBox {
    guard let data = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_file.self).pointee.context
    else { preconditionFailure("SQLite named no file") }
    return Unmanaged<FileBox>.fromOpaque(data).takeUnretainedValue()
  }

  /// SQLite's code for what a file system said: a full disk is told apart.
  private static func attempt(_ code: Int32, _ body: () throws(FileError) -> Void) -> Int32 {
    do {
      try body()
      return SQLITE_OK
    } catch { return error.errno == VFSCallbacks.noSpace ? SQLITE_FULL : code }
  }

  /// ENOSPC and ENOENT of Linux.
  private static let noSpace: Int32 = 28
  private static let noFile: Int32 = 2

  private static func open(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: UnsafePointer<CChar>?, _ handle: Handle?,
    _ flags: Int32,
    _ outFlags: UnsafeMutablePointer<Int32>?
  ) -> Int32 {
    let context = context(vfs)
    guard let own = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_file.self) else {
      return SQLITE_CANTOPEN
    }
    own.initialize(to: mt_file())
    let path = name.map { String(cString: $0) } ?? "moontide-temporary-\(context.randomness.next())"
    do throws(FileError) {
      let isThere = try context.files.status(path) != nil
      if !isThere, flags & SQLITE_OPEN_CREATE == 0 {
        context.openingError.store(noFile, ordering: .relaxed)
        return SQLITE_CANTOPEN
      }
      let isReadOnly = flags & SQLITE_OPEN_READONLY != 0
      let file = try context.files.open(path, isReadOnly ? .read : .readWrite)
      let locks = flags & SQLITE_OPEN_MAIN_DB != 0 ? context.open(path) : nil
      // As SQLite's own: who syncs a journal first may not be the one who made it.
      let isJournal = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL) != 0
      let box = FileBox(
        context, file, path, locks, isTemporary: flags & SQLITE_OPEN_DELETEONCLOSE != 0,
        isNew: !isThere || isJournal)
      own.pointee.context = Unmanaged.passRetained(box).toOpaque()
      own.pointee.base.pMethods = methods
      outFlags?.pointee = flags
      return SQLITE_OK
    } catch {
      context.openingError.store(error.errno, ordering: .relaxed)
      return error.errno == noSpace ? SQLITE_FULL : SQLITE_CANTOPEN
    }
  }

  private static func close(_ handle: Handle?) -> Int32 {
    let own = UnsafeMutableRawPointer(handle)?.assumingMemoryBound(to: mt_file.self)
    guard let data = own?.pointee.context else { return SQLITE_OK }
    let box = Unmanaged<FileBox>.fromOpaque(data).takeRetainedValue()
    own?.pointee.context = nil
    if let locks = box.locks {
      locks.unlock(to: SQLITE_LOCK_NONE, held: box.held)
      box.context.close(box.path, locks)
    }
    guard box.isTemporary else { return SQLITE_OK }
    return attempt(IOCode.delete) { () throws(FileError) in try box.context.files.remove(box.path) }
  }

  private static func read(
    _ handle: Handle?, _ target: UnsafeMutableRawPointer?, _ count: Int, _ offset: Int64
  ) -> Int32 {
    let box = box(handle)
    guard let target else { return IOCode.read }
    if box.buffer.count < count { box.buffer = [UInt8](repeating: 0, count: count) }
    var found = 0
    let code = attempt(IOCode.read) { () throws(FileError) in
      found = try box.file.read(at: UInt64(offset), count: count, into: &box.buffer, at: 0)
    }
    guard code == SQLITE_OK else { return code }
    box.buffer.withUnsafeBytes { source in
      if found > 0, let start = source.baseAddress { target.copyMemory(from: start, byteCount: found) }
    }
    if found == count { return SQLITE_OK }
    // SQLite wants the rest zeroed.
    (target + found).initializeMemory(as: UInt8.self, repeating: 0, count: count - found)
    return IOCode.shortRead
  }

  private static func write(_ handle: Handle?, _ source: UnsafeRawPointer?, _ count: Int, _ offset: Int64)
    -> Int32
  {
    let box = box(handle)
    guard let source else { return IOCode.write }
    if box.buffer.count < count { box.buffer = [UInt8](repeating: 0, count: count) }
    box.buffer.withUnsafeMutableBytes {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
    }
    return attempt(IOCode.write) { () throws(FileError) in
      try box.file.write(box.buffer, 0..<count, at: UInt64(offset))
    }
  }

  private static func sync(_ handle: Handle?) -> Int32 {
    let box = box(handle)
    return attempt(IOCode.fsync) { () throws(FileError) in
      try box.file.sync()
      if box.isNew {
        try box.context.files.syncDirectory(VFSContext.directory(of: box.path))
        box.isNew = false
      }
    }
  }

  private static func delete(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: UnsafePointer<CChar>?, _ isSynced: Bool
  ) -> Int32 {
    let context = context(vfs)
    guard let name else { return IOCode.delete }
    let path = String(cString: name)
    return attempt(IOCode.delete) { () throws(FileError) in
      try context.files.remove(path)
      if isSynced { try context.files.syncDirectory(VFSContext.directory(of: path)) }
    }
  }

  private static func access(
    _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ name: UnsafePointer<CChar>?,
    _ result: UnsafeMutablePointer<Int32>?
  ) -> Int32 {
    guard let name else { return IOCode.access }
    return attempt(IOCode.access) { () throws(FileError) in
      let status = try context(vfs).files.status(String(cString: name))
      // An empty journal is none, as SQLite's own VFS has it.
      result?.pointee = (status.map { $0.bytes > 0 } ?? false) ? 1 : 0
    }
  }
}

/// Extended codes of SQLITE_IOERR, which C defines as shifts that Swift does not see.
private enum IOCode {
  static let read = SQLITE_IOERR | 1 << 8
  static let shortRead = SQLITE_IOERR | 2 << 8
  static let write = SQLITE_IOERR | 3 << 8
  static let fsync = SQLITE_IOERR | 4 << 8
  static let truncate = SQLITE_IOERR | 6 << 8
  static let fstat = SQLITE_IOERR | 7 << 8
  static let delete = SQLITE_IOERR | 10 << 8
  static let access = SQLITE_IOERR | 13 << 8
  static let shmlock = SQLITE_IOERR | 20 << 8
}
