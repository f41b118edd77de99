import MoontideCore
import MoontideLua

/// The Lua texts of a project, read at once so that one run sees one state of them.
struct ScriptFiles: Sendable {
  /// `handlers/**/*.lua`, by path.
  var handlers: [ScriptSource]
  /// `lib/**/*.lua` by the name that `require` takes: `lib.money`.
  var modules: [String: ScriptSource]
  /// `moontide.lua`, if there is one.
  var settings: ScriptSource?

  /// Reads them all; a file over `Limits.scriptBytesMax` is an error.
  static func read(_ project: ProjectPaths, files: any FileSystem) throws(Diagnostic) -> ScriptFiles {
    var handlers: [ScriptSource] = []
    for path in try luaFiles(below: project.handlers, files) {
      handlers.append(try script(path, project, files))
    }
    var modules: [String: ScriptSource] = [:]
    for path in try luaFiles(below: project.lib, files) {
      let source = try script(path, project, files)
      modules[moduleName(source.path)] = source
    }
    let hasSettings = try FileError.told { () throws(FileError) in try files.status(project.settings) != nil }
    return ScriptFiles(
      handlers: handlers, modules: modules,
      settings: hasSettings ? try script(project.settings, project, files) : nil)
  }

  /// All of them, by path: handlers, modules, settings.
  var all: [ScriptSource] {
    handlers + modules.values.sorted { $0.path < $1.path } + (settings.map { [$0] } ?? [])
  }

  /// Changes with any byte of any of them, and with their names.
  var digest: Digest { all.reduce(Digest.zero) { $0.adding($1.path).adding($1.text) } }

  /// How the files lie there now, without reading them: changes when one is written, made, moved or removed,
  /// as far as the system tells.
  static func stamp(_ project: ProjectPaths, files: any FileSystem) throws(Diagnostic) -> Digest {
    var stamp = Digest.zero
    let paths = try luaFiles(below: project.handlers, files) + luaFiles(below: project.lib, files)
    for path in paths + [project.settings] {
      guard let status = try FileError.told({ () throws(FileError) in try files.status(path) }) else {
        continue
      }
      stamp = stamp.adding(path).adding(status.inode).adding(status.bytes)
        .adding(UInt64(bitPattern: status.modifiedMicroseconds))
    }
    return stamp
  }

  /// The folders that hold them or may hold them, the project itself among them.
  static func folders(_ project: ProjectPaths, files: any FileSystem) throws(Diagnostic) -> [String] {
    var found = [project.root]
    var open = [project.handlers, project.lib]
    while let folder = open.popLast() {
      guard try FileError.told({ () throws(FileError) in try files.status(folder) })?.isDirectory == true
      else { continue }
      found.append(folder)
      for name in try FileError.told({ () throws(FileError) in try files.list(folder) })
      where !name.hasPrefix(".") && !name.hasSuffix("~") {
        open.append("\(folder)/\(name)")
      }
    }
    return found
  }

  static func moduleName(_ path: String) -> String {
    path.dropLast(".lua".utf8.count).split(separator: "/").joined(separator: ".")
  }

  private static func script(
    _ path: String, _ project: ProjectPaths, _ files: any FileSystem
  ) throws(Diagnostic) -> ScriptSource {
    let text = try FileError.told { () throws(FileError) in
      try files.contents(path, bytesMax: Limits.scriptBytesMax + 1)
    }
    guard text.count <= Limits.scriptBytesMax else {
      throw Diagnostic(
        code: HostCode.scriptTooLarge.code, "a script has at most \(Limits.scriptBytesMax) bytes",
        at: SourcePlace(file: project.relative(path), line: 1),
        details: [.init("help", "split it into modules below lib/")])
    }
    return ScriptSource(path: project.relative(path), text: text)
  }

  /// By bytes of the path; hidden files and folders left out.
  private static func luaFiles(below directory: String, _ files: any FileSystem) throws(Diagnostic)
    -> [String]
  {
    guard let status = try FileError.told({ () throws(FileError) in try files.status(directory) }),
      status.isDirectory
    else { return [] }
    var found: [String] = []
    for name in try FileError.told({ () throws(FileError) in try files.list(directory) })
    where !name.hasPrefix(".") {
      let path = directory + "/" + name
      // A folder may be called anything.lua as well.
      if try FileError.told({ () throws(FileError) in try files.status(path) })?.isDirectory == true {
        found += try luaFiles(below: path, files)
      } else if name.hasSuffix(".lua") {
        found.append(path)
      }
    }
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
