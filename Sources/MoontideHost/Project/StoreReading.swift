import MoontideCore
import MoontideSQLite

extension StoreReader {
  /// Opens what a handler keeps. Nil where nothing is, or nothing yet; also when it goes away while it is
  /// opened: its handler was renamed or put away.
  static func ifThere(_ path: String, _ files: any FileSystem) throws(Diagnostic) -> StoreReader? {
    guard try isThere(path, files) else { return nil }
    do throws(StoreOpeningError) { return try StoreReader(path: path) } catch {
      if case .empty = error { return nil }
      guard try isThere(path, files) else { return nil }
      throw error.diagnostic(path)
    }
  }

  private static func isThere(_ path: String, _ files: any FileSystem) throws(Diagnostic) -> Bool {
    try FileError.told { () throws(FileError) in try files.status(path) != nil }
  }
}

extension StoreCopy {
  /// Copies what a handler keeps, to a path where nothing is; false where it keeps nothing, or not any more.
  static func ifThere(
    _ source: String, at target: String, _ files: any FileSystem
  ) throws(StoreOpeningError) -> Bool {
    do throws(StoreError) { try make(of: source, at: target) } catch {
      do throws(FileError) {
        if try files.status(source) == nil { return false }
      } catch let unknown { throw .store(.io(path: unknown.path, reason: unknown.reason)) }
      throw .store(error)
    }
    return true
  }
}
