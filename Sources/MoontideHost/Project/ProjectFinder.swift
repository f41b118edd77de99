import Glibc
public import MoontideCore

/// Finds the project that a command means.
public enum ProjectFinder {
  /// The project at `directory`, which must hold something of one, so that a mistyped folder is not made into
  /// a project; or nil: then the nearest one at or above the working directory that has `events/` or
  /// `moontide.lua`.
  public static func find(_ directory: String?, files: any FileSystem) throws(Diagnostic) -> ProjectPaths {
    if let directory {
      let path = try absolute(directory)
      guard try isDirectory(path, files) else {
        throw Diagnostic(
          code: HostCode.notADirectory.code, "a project is a directory; there is none at \(directory)",
          details: [.init("help", "moontide new NAME makes a project that runs at once")])
      }
      guard try holdsAny(of: signs, path, files) else {
        throw Diagnostic(
          code: HostCode.noProject.code,
          "no project at \(directory): it has none of \(signs.joined(separator: ", "))",
          details: [
            .init("help", "moontide new NAME makes one · mkdir \(directory)/events makes this folder one")
          ])
      }
      return ProjectPaths(root: path)
    }
    let start = try absolute(".")
    var path = start
    while true {
      if try isProject(path, files) { return ProjectPaths(root: path) }
      guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { break }
      path = String(path[..<slash])
    }
    throw Diagnostic(
      code: HostCode.noProject.code,
      "no project here: neither \(start) nor a directory above it has events/ or moontide.lua",
      details: [.init("help", "name one: moontide COMMAND -C DIR · make one: moontide new NAME")])
  }

  /// One of these makes a folder that was named a project.
  private static let signs = ["events/", "moontide.lua", "handlers/", "commands/", "data/log/"]

  static func isProject(_ path: String, _ files: any FileSystem) throws(Diagnostic) -> Bool {
    try holdsAny(of: ["events/", "moontide.lua"], path, files)
  }

  private static func holdsAny(
    of signs: [String], _ path: String, _ files: any FileSystem
  ) throws(Diagnostic) -> Bool {
    for sign in signs {
      if sign.hasSuffix("/") {
        if try isDirectory("\(path)/\(sign.dropLast())", files) { return true }
      } else if try FileError.told({ () throws(FileError) in try files.status("\(path)/\(sign)") }) != nil {
        return true
      }
    }
    return false
  }

  private static func isDirectory(_ path: String, _ files: any FileSystem) throws(Diagnostic) -> Bool {
    try FileError.told { () throws(FileError) in try files.status(path)?.isDirectory ?? false }
  }

  /// With every link resolved where the path exists, so that two names of a project are one.
  public static func absolute(_ path: String) throws(Diagnostic) -> String {
    guard let resolved = realpath(path, nil) else {
      throw Diagnostic(
        code: HostCode.notADirectory.code,
        "a project is a directory; there is none at \(path): \(String(cString: strerror(errno)))",
        details: [.init("help", "moontide new NAME makes a project that runs at once")])
    }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}
