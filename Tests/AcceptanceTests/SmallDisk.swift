import Foundation
import Glibc

/// A file system of a few kibibytes in memory, mounted on a folder; unmounted with the object.
final class SmallDisk {
  private let folder: URL

  /// Whether this user may mount at all.
  static let isAllowed: Bool = {
    let folder = FileManager.default.temporaryDirectory.appending(path: "moontide-mount-\(UUID().uuidString)")
    do {
      let disk = try SmallDisk(folder, kibibytes: 64)
      withExtendedLifetime(disk) {}
    } catch { return false }
    Binary.cleanUp(folder)
    return true
  }()

  init(_ folder: URL, kibibytes: Int) throws {
    self.folder = folder
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    guard mount("tmpfs", folder.path, "tmpfs", 0, "size=\(kibibytes)k") == 0 else {
      throw Fault("cannot mount: \(String(cString: strerror(errno)))")
    }
  }

  deinit {
    if umount2(folder.path, Int32(MNT_DETACH)) != 0 {
      print("cannot unmount \(folder.path): \(String(cString: strerror(errno)))")
    }
  }

  func grow(kibibytes: Int) throws {
    guard mount("tmpfs", folder.path, "tmpfs", UInt(MS_REMOUNT), "size=\(kibibytes)k") == 0 else {
      throw Fault("cannot remount: \(String(cString: strerror(errno)))")
    }
  }

  func makeReadOnly() throws {
    guard mount("tmpfs", folder.path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0 else {
      throw Fault("cannot remount: \(String(cString: strerror(errno)))")
    }
  }

  private var filler: URL { folder.appending(path: "filler") }

  /// Takes all room but so many kibibytes. Somebody else may write meanwhile: then it is tried again.
  func fill(leaving kibibytes: Int) throws {
    for _ in 0..<50 {
      var status = statvfs()
      guard statvfs(folder.path, &status) == 0 else { throw Fault("cannot ask for room") }
      let free = Int(status.f_bavail) * Int(status.f_frsize)
      let bytes = max(0, free - kibibytes << 10)
      if FileManager.default.createFile(atPath: filler.path, contents: Data(count: bytes)) { return }
      if FileManager.default.fileExists(atPath: filler.path) { try empty() }
      usleep(20_000)
    }
    throw Fault("cannot fill the disk")
  }

  func empty() throws { try FileManager.default.removeItem(at: filler) }
}
