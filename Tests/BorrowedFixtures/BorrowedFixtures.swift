public import Foundation
public import Testing

/// Event sets and conformance suites that others made. They lie in `shared` beside the project, or in the
/// folder that `MOONTIDE_SHARED` names; the project copies none of them.
public enum BorrowedFixtures {
  public static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["MOONTIDE_SHARED"], !path.isEmpty {
      return URL(fileURLWithPath: path).standardized
    }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../shared").standardized
  }()

  /// Whether tests that need it run: it is there, or `MOONTIDE_SHARED` is set, and then they must.
  public static var isExpected: Bool {
    ProcessInfo.processInfo.environment["MOONTIDE_SHARED"] != nil
      || FileManager.default.fileExists(atPath: folder.appending(path: "data").path)
  }

  public struct Missing: Error, CustomStringConvertible {
    public let path: String
    public var description: String { "this test needs \(path), which is not there" }
  }

  /// A file or folder of it, as "data/events/orders/truth.json".
  public static func url(_ path: String) throws -> URL {
    let url = folder.appending(path: path)
    guard FileManager.default.fileExists(atPath: url.path) else { throw Missing(path: url.path) }
    return url
  }

  /// The events of a set, packed as they are.
  public static func events(_ set: String) throws -> URL { try url("data/events/\(set)/events.jsonl.gz") }
}

extension Trait where Self == ConditionTrait {
  /// For a test that reads `BorrowedFixtures`: skipped, and said so, where there is none.
  public static var needsBorrowedFixtures: ConditionTrait {
    .enabled(if: BorrowedFixtures.isExpected, "no shared data at \(BorrowedFixtures.folder.path)")
  }
}
