import MoontideCore
import MoontideHost

/// Tells whether anything that an answer may come from has changed: sizes and times of the files of read
/// models, handlers and the log.
struct ChangeMark: Equatable {
  private struct Seen: Equatable {
    var name: String
    var bytes: UInt64
    var modified: Int64
    var inode: UInt64
  }

  private var files: [Seen] = []

  init(_ project: ProjectPaths) {
    for folder in [project.readModels, project.handlerFiles, project.log + "/segments"] { add(folder) }
  }

  /// A folder that is not there, or is just being changed, counts as it is found.
  private mutating func add(_ folder: String) {
    let system = SystemSurroundings.files
    do throws(FileError) {
      guard try system.status(folder) != nil else { return }
      for name in try system.list(folder) where !name.hasSuffix("-shm") {
        guard let status = try system.status("\(folder)/\(name)") else { continue }
        files.append(
          Seen(
            name: name, bytes: status.bytes, modified: status.modifiedMicroseconds, inode: status.inode))
      }
    } catch {
      files.append(Seen(name: folder, bytes: 0, modified: 0, inode: UInt64(error.errno)))
    }
  }
}
