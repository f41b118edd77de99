import Foundation
import Testing

/// The rules of style that a machine can check, over the whole tree. Each failure names the place and
/// the mend.
struct TidyTests {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Every text file of the project that a person writes.
  static let tree: [SourceFile] = {
    var files: [SourceFile] = []
    for folder in ["Sources", "Tests", "examples", "scripts", ".ci", "Package.swift", "README.md"] {
      let start = root.appending(path: folder)
      let walker = FileManager.default.enumerator(at: start, includingPropertiesForKeys: [.isRegularFileKey])
      for case let url as URL in walker ?? .init() {
        add(url, to: &files)
      }
      add(start, to: &files)
    }
    return files.sorted { $0.path < $1.path }
  }()

  private static func add(_ url: URL, to files: inout [SourceFile]) {
    let path = String(url.standardizedFileURL.path().dropFirst(root.standardizedFileURL.path().count))
    let parts = path.split(separator: "/")
    guard !parts.contains(where: { ["data", ".moontide", ".build"].contains($0) }),
      let bytes = FileManager.default.contents(atPath: url.path()), !bytes.contains(0)
    else { return }
    files.append(SourceFile(path, String(decoding: bytes, as: UTF8.self)))
  }

  private func report(_ rule: (SourceFile) -> [Finding]) {
    for finding in TidyTests.tree.flatMap(rule) { Issue.record("\(finding.description)") }
  }

  @Test func `the whole tree is looked at`() {
    let paths = Set(TidyTests.tree.map(\.path))
    #expect(paths.contains("Package.swift"))
    #expect(paths.contains(BoundRules.limits))
    #expect(paths.contains("Tests/TidyTests/TidyTests.swift"))
    #expect(paths.contains("scripts/check"))
    let rooms = Set(TidyTests.tree.filter(\.isSwift).compactMap(\.room))
    #expect(rooms == Set(ImportRules.edges.keys), "rooms and edges differ")
  }

  @Test func `names say what things are`() { report(NameRules.findings) }
  @Test func `files, functions and lines are short`() { report(SizeRules.findings) }
  @Test func `bounds have one place and a reason`() { report(BoundRules.findings) }
  @Test func `no fault is swallowed and nothing is left for later`() { report(FailureRules.findings) }
  @Test func `C and unsafe code stay in their rooms`() { report(BoundaryRules.findings) }
  @Test func `imports follow the edges`() { report(ImportRules.findings) }
  @Test func `no path of one machine is written down`() { report(PathRules.findings) }
}
