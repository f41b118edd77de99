import ArgumentParser
import MoontideCore

/// `--template`.
enum TemplateName: String, CaseIterable, Sendable, ExpressibleByArgument {
  case hello, shop
}

/// What `moontide new` writes: a project that runs at once, the same as the example of that name.
struct ProjectTemplate: Sendable {
  /// One file of a new project.
  struct File: Sendable, Equatable {
    /// Below the project.
    var path: String
    var text: String

    init(_ path: String, _ text: String) {
      self.path = path
      self.text = text
    }
  }

  /// What the project holds, the stubs for editors included.
  let files: [File]
  /// A question to ask once it has run.
  let firstQuery: String

  init(_ name: TemplateName) {
    switch name {
    case .hello:
      files = HelloFiles.files + [LuaStubs.file]
      firstQuery = "select * from people"
    case .shop:
      files = ShopFiles.files + ShopEvents.files + [LuaStubs.file]
      firstQuery = "select status, count(*) from orders group by status"
    }
  }

  /// Writes the project into `folder`, which must be new or empty.
  /// - Throws: E0692 when it is not, E0695 for what the file system refuses; what was written by then stays.
  func write(to folder: String, files system: any FileSystem) throws(Diagnostic) {
    guard try isFree(folder, system) else {
      throw Diagnostic(
        code: CommandCode.folderNotEmpty.code,
        "a new project needs a folder of its own; \(folder) is there already",
        details: [.init("help", "moontide new \(folder)-2")])
    }
    do throws(FileError) {
      for file in files {
        let path = folder + "/" + file.path
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? folder
        try system.createDirectory(parent)
        let bytes = Array(file.text.utf8)
        try system.open(path, .create).write(bytes, 0..<bytes.count, at: 0)
      }
    } catch { throw ProjectTemplate.refused(error) }
  }

  private func isFree(_ folder: String, _ system: any FileSystem) throws(Diagnostic) -> Bool {
    do throws(FileError) {
      guard let status = try system.status(folder) else { return true }
      guard status.isDirectory else { return false }
      return try system.list(folder).isEmpty
    } catch { throw ProjectTemplate.refused(error) }
  }

  private static func refused(_ fault: FileError) -> Diagnostic {
    Diagnostic(
      code: CommandCode.newProject.code, "cannot \(fault.operation) \(fault.path): \(fault.reason)",
      details: [.init("help", "see that the folder above exists and can be written, then run it again")])
  }
}
