import MoontideCore
import MoontideSQLite

/// The read models whose files are there, as one look found them. What is renamed, swapped or put away while
/// it is looked at is looked at again. One thread.
struct ModelListing {
  /// Those that can be asked, with the names of their tables and views.
  private(set) var models: [QueryCatalog.Model] = []
  /// What keeps others from being read.
  private(set) var unreadable: [Diagnostic] = []
  private let folder: String
  private let files: any FileSystem
  /// Which file each name stood for.
  private var marks: [String: FileMark] = [:]

  private struct FileMark: Hashable {
    let inode: UInt64
    let device: UInt64
  }

  init(_ paths: ProjectPaths, _ files: any FileSystem) throws(StoreError) {
    folder = paths.readModels
    self.files = files
    for _ in 1..<Limits.listingTriesMax {
      try read()
      if unreadable.isEmpty { return }
      if try !isOutdated() { return }
    }
    try read()
  }

  /// Whether another look would find other files: names that came or went, or that stand for other ones.
  func isOutdated() throws(StoreError) -> Bool { try look() != marks }

  private func look() throws(StoreError) -> [String: FileMark] {
    do throws(FileError) {
      guard try files.status(folder) != nil else { return [:] }
      // While a name changes, a listing may have both of them, or none.
      return try SwapLock.looking(in: folder) { () throws(FileError) in
        var found: [String: FileMark] = [:]
        for file in try files.list(folder) where file.hasSuffix(".sqlite") && !file.hasPrefix(".") {
          guard let status = try files.status(folder + "/" + file) else { continue }
          found[file] = FileMark(inode: status.inode, device: status.device)
        }
        return found
      }
    } catch {
      throw error.isPassing
        ? .exhausted(path: error.path, reason: error.reason) : .io(path: error.path, reason: error.reason)
    }
  }

  private mutating func read() throws(StoreError) {
    (models, unreadable, marks) = ([], [], try look())
    for file in marks.keys.sorted() {
      let path = folder + "/" + file
      do throws(StoreOpeningError) {
        let reader = try StoreReader(path: path)
        let names = try StoreOpeningError.told { () throws(StoreError) in
          try reader.tables().map(\.name) + reader.views()
        }
        models.append(.init(name: String(file.dropLast(".sqlite".count)), path: path, tables: names))
      } catch {
        // A file that is just being made, or is damaged, has no tables to offer: a query that names one of
        // them hears that there is none, and why.
        unreadable.append(error.diagnostic(path))
      }
    }
  }
}
