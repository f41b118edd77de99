import Foundation
import MoontideCore
import Synchronization
import Testing

@testable import moontide

/// Files in memory, as far as `ProjectTemplate` needs them.
private final class MemoryFiles: FileSystem {
  private struct State {
    var files: [String: [UInt8]] = [:]
    var folders: Set<String> = []
  }
  private let state = Mutex(State())
  private let refused: String?

  init(folders: Set<String> = [], files: [String: [UInt8]] = [:], refused: String? = nil) {
    state.withLock { $0 = State(files: files, folders: folders) }
    self.refused = refused
  }

  var files: [String: [UInt8]] { state.withLock { $0.files } }

  fileprivate func put(_ path: String, _ bytes: [UInt8]) { state.withLock { $0.files[path] = bytes } }

  func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    if let refused, path.hasSuffix(refused) {
      throw FileError(operation: "open", path: path, errno: 28, reason: "No space left on device")
    }
    #expect(mode == .create, "\(path) is opened as \(mode)")
    return MemoryFile(path: path, files: self)
  }
  func list(_ directory: String) throws(FileError) -> [String] {
    files.keys.filter { $0.hasPrefix(directory + "/") }.sorted()
  }
  func status(_ path: String) throws(FileError) -> FileStatus? {
    let isDirectory = state.withLock { $0.folders.contains(path) }
    guard isDirectory || files[path] != nil else { return nil }
    return FileStatus(bytes: 0, isDirectory: isDirectory, inode: 1, modifiedMicroseconds: 0)
  }
  func createDirectory(_ path: String) throws(FileError) { state.withLock { _ = $0.folders.insert(path) } }
  func rename(_ from: String, to: String) throws(FileError) { Issue.record("renames \(from)") }
  func remove(_ path: String) throws(FileError) { Issue.record("removes \(path)") }
  func syncDirectory(_ path: String) throws(FileError) {}
}

private final class MemoryFile: File {
  private let path: String
  private let files: MemoryFiles

  init(path: String, files: MemoryFiles) {
    self.path = path
    self.files = files
  }

  func read(at offset: UInt64, count: Int, into buffer: inout [UInt8], at index: Int) throws(FileError) -> Int
  { 0 }
  func write(_ bytes: [UInt8], _ range: Range<Int>, at offset: UInt64) throws(FileError) {
    files.put(path, Array(bytes[range]))
  }
  func sync() throws(FileError) {}
  func size() throws(FileError) -> UInt64 { 0 }
  func truncate(to bytes: UInt64) throws(FileError) {}
}

struct ProjectTemplateTests {
  private let examples = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "examples")

  @Test(arguments: [(TemplateName.hello, "01-hello"), (.shop, "02-shop")])
  func `a new project is the example, byte for byte`(name: TemplateName, folder: String) throws {
    let template = ProjectTemplate(name)
    let root = examples.appending(path: folder)
    for file in template.files where !file.path.hasPrefix(".moontide/") {
      let bytes = try Data(contentsOf: root.appending(path: file.path))
      #expect(Data(file.text.utf8) == bytes, "\(folder)/\(file.path) and the template differ: change both")
    }
    let walker = try #require(FileManager.default.enumerator(atPath: root.path()))
    let known = Set(template.files.map(\.path))
    for case let path as String in walker {
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: root.path() + "/" + path, isDirectory: &isDirectory)
      let kept = ["expected", "data", ".moontide"].contains { path == $0 || path.hasPrefix($0 + "/") }
      if isDirectory.boolValue || kept { continue }
      #expect(known.contains(path), "\(folder)/\(path) is in no template")
    }
  }

  @Test func `every query of an example has a title and an expected answer`() throws {
    for folder in ["01-hello", "02-shop"] {
      let queries = examples.appending(path: folder).appending(path: "queries")
      let names = try FileManager.default.contentsOfDirectory(atPath: queries.path())
      #expect(!names.isEmpty, "\(folder) has no queries")
      for name in names {
        let text = try String(contentsOf: queries.appending(path: name), encoding: .utf8)
        #expect(text.hasPrefix("-- "), "\(folder)/queries/\(name) has no title")
        let expected = examples.appending(path: folder).appending(path: "expected")
          .appending(path: name.replacing(".sql", with: ".json"))
        #expect(try Data(contentsOf: expected).count > 2, "\(expected.path()) is empty")
      }
    }
  }

  @Test func `a new folder gets every file`() throws {
    let files = MemoryFiles()
    try ProjectTemplate(.shop).write(to: "shop", files: files)
    #expect(files.files.count == ProjectTemplate(.shop).files.count)
    #expect(files.files["shop/handlers/revenue.lua"]?.isEmpty == false)
    #expect(files.files["shop/.moontide/stubs/moontide.lua"]?.isEmpty == false)
  }

  @Test func `an empty folder is taken, one with a file is refused and left alone`() throws {
    try ProjectTemplate(.hello).write(to: "a", files: MemoryFiles(folders: ["a"]))
    let taken = MemoryFiles(folders: ["a"], files: ["a/x": [1]])
    let fault = #expect(throws: Diagnostic.self) { try ProjectTemplate(.hello).write(to: "a", files: taken) }
    #expect(fault?.code == CommandCode.folderNotEmpty.code)
    #expect(taken.files == ["a/x": [1]])
    let file = MemoryFiles(files: ["a": [1]])
    #expect(throws: Diagnostic.self) { try ProjectTemplate(.hello).write(to: "a", files: file) }
  }

  @Test func `a full disk is told with the file that did not fit`() {
    let full = MemoryFiles(refused: "greeted.lua")
    let fault = #expect(throws: Diagnostic.self) { try ProjectTemplate(.hello).write(to: "a", files: full) }
    #expect(fault?.title == "cannot open a/handlers/greeted.lua: No space left on device")
  }
}
