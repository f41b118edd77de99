import CSQLite
public import MoontideCore
import Synchronization

/// SQLite's files through the `FileSystem` seam, so that a simulator's faults meet COMMIT as well.
/// <https://www.sqlite.org/vfs.html>
///
/// Locks and the WAL's shared memory live in the process, in `VFSLocks`: all connections to a file must be of
/// one process and one VFS. "Durable" is the seam's: a sync of the file, and of the directory after files
/// were made or removed.
public final class FileSystemVFS: Sendable {
  /// What `ProjectionStore` and `ConsumerFile` take as `vfs`.
  public let name: String
  private let registration: Registration

  /// Registers a VFS under a name that nobody else uses. It stays registered while this object lives; every
  /// connection must be closed before. `randomness` names temporary files.
  public init(name: String, files: any FileSystem, clock: any WallClock, randomness: any Randomness) {
    self.name = name
    registration = Registration(name, VFSContext(files, clock, randomness))
  }

  deinit { registration.end() }

  /// The C struct that SQLite keeps, and the Swift object behind it.
  private final class Registration: @unchecked Sendable {
    // Written at birth and death only; SQLite guards its list of VFSes with its own mutex.
    private let vfs: UnsafeMutablePointer<sqlite3_vfs>
    private let nameBytes: UnsafeMutablePointer<CChar>

    init(_ name: String, _ context: VFSContext) {
      let bytes = name.utf8CString
      nameBytes = .allocate(capacity: bytes.count)
      for (index, byte) in bytes.enumerated() { (nameBytes + index).initialize(to: byte) }
      vfs = .allocate(capacity: 1)
      vfs.initialize(to: VFSCallbacks.vfs)
      vfs.pointee.zName = UnsafePointer(nameBytes)
      vfs.pointee.pAppData = Unmanaged.passRetained(context).toOpaque()
      let code = sqlite3_vfs_register(vfs, 0)
      precondition(code == SQLITE_OK, "SQLite refused the VFS \(name) with code \(code)")
    }

    func end() {
      sqlite3_vfs_unregister(vfs)
      if let context = vfs.pointee.pAppData { Unmanaged<VFSContext>.fromOpaque(context).release() }
      vfs.deallocate()
      nameBytes.deallocate()
    }
  }
}

/// What every callback of a VFS works with. Any thread.
final class VFSContext: Sendable {
  let files: any FileSystem
  let clock: any WallClock
  let randomness: any Randomness
  /// The `errno` of the last opening that was refused: what SQLite asks for when a file cannot be opened.
  let openingError = Atomic<Int32>(0)
  private let locks = Mutex<[String: VFSLocks]>([:])

  init(_ files: any FileSystem, _ clock: any WallClock, _ randomness: any Randomness) {
    self.files = files
    self.clock = clock
    self.randomness = randomness
  }

  /// The locks of a file, shared by all who have it open.
  func open(_ path: String) -> VFSLocks {
    locks.withLock { all in
      let found = all[path] ?? VFSLocks()
      all[path] = found
      found.open()
      return found
    }
  }

  /// The last one to close a file takes its locks along.
  func close(_ path: String, _ own: VFSLocks) {
    locks.withLock { all in
      if own.close(), all[path] === own { all[path] = nil }
    }
  }

  static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

/// The locks of one database file and the shared memory of its WAL, within the process.
/// <https://www.sqlite.org/lockingv3.html>
final class VFSLocks: Sendable {
  static let shmSlots = Int(SQLITE_SHM_NLOCK)

  private struct State {
    var openers = 0
    var shared = 0
    var hasReserved = false
    var hasPending = false
    var hasExclusive = false
    /// Bytes of the WAL index; addresses are kept, so a region never moves.
    var regions: [UInt] = []
    var shmShared = [Int](repeating: 0, count: VFSLocks.shmSlots)
    var shmExclusive = [Bool](repeating: false, count: VFSLocks.shmSlots)
  }
  private let state = Mutex(State())

  func open() { state.withLock { $0.openers += 1 } }

  /// True when nobody has the file open any more.
  func close() -> Bool {
    state.withLock {
      $0.openers -= 1
      return $0.openers == 0
    }
  }

  deinit {
    state.withLock { state in
      for address in state.regions { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }
  }

  /// Raises a lock from `held`; returns the level that is held then, the same one when it is busy.
  func lock(_ wanted: Int32, held: Int32) -> Int32 {
    state.withLock { state in
      if wanted <= held { return held }
      switch wanted {
      case SQLITE_LOCK_SHARED:
        guard !state.hasPending, !state.hasExclusive else { return held }
        state.shared += 1
      case SQLITE_LOCK_RESERVED:
        guard !state.hasReserved else { return held }
        state.hasReserved = true
      default:
        // From SHARED straight to EXCLUSIVE is what a recovery does.
        guard held >= SQLITE_LOCK_RESERVED || !state.hasReserved,
          held == SQLITE_LOCK_PENDING || !state.hasPending
        else { return held }
        state.hasReserved = true
        state.hasPending = true
        guard state.shared == 1 else { return SQLITE_LOCK_PENDING }
        state.hasExclusive = true
      }
      return wanted
    }
  }

  /// Lowers a lock to SHARED or to none.
  func unlock(to wanted: Int32, held: Int32) {
    state.withLock { state in
      guard held > wanted else { return }
      if held >= SQLITE_LOCK_EXCLUSIVE { state.hasExclusive = false }
      if held >= SQLITE_LOCK_PENDING { state.hasPending = false }
      if held >= SQLITE_LOCK_RESERVED { state.hasReserved = false }
      if wanted == SQLITE_LOCK_NONE { state.shared -= 1 }
    }
  }

  var isReserved: Bool { state.withLock { $0.hasReserved } }

  /// The address of a region of the WAL index; nil when it does not exist and is not to be made.
  func region(_ index: Int, bytes: Int, create: Bool) -> UnsafeMutableRawPointer? {
    let address = state.withLock { state -> UInt? in
      guard index < state.regions.count || create else { return nil }
      while state.regions.count <= index {
        let made = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
        made.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        state.regions.append(UInt(bitPattern: made))
      }
      return state.regions[index]
    }
    return address.flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
  }

  /// Takes or gives back slots of the WAL's locks; false when busy.
  func shmLock(_ slots: Range<Int>, _ flags: Int32) -> Bool {
    state.withLock { state in
      let isShared = flags & SQLITE_SHM_SHARED != 0
      if flags & SQLITE_SHM_UNLOCK != 0 {
        for slot in slots {
          if isShared { state.shmShared[slot] -= 1 } else { state.shmExclusive[slot] = false }
        }
        return true
      }
      for slot in slots where state.shmExclusive[slot] || (!isShared && state.shmShared[slot] > 0) {
        return false
      }
      for slot in slots {
        if isShared { state.shmShared[slot] += 1 } else { state.shmExclusive[slot] = true }
      }
      return true
    }
  }
}
