import Foundation
import Testing

/// Questions about the past where the cache has no room: an answer matters more than what was kept.
@Suite(.serialized) struct PastShortageTests {
  private static let lines = 3_000

  /// A project whose cache lies on a disk of so many parts of its read model.
  private static func project(_ share: Double) throws -> (project: TestProject, disk: SmallDisk) {
    let project = try PastCacheTests.project(PastCacheTests.sales(0..<lines))
    let model = project.folder.appending(path: "data/readmodels/sums.sqlite").path
    let bytes = try #require(try FileManager.default.attributesOfItem(atPath: model)[.size] as? Int)
    let cache = project.folder.appending(path: ".moontide")
    try FileManager.default.removeItem(at: cache)
    return (project, try SmallDisk(cache, kibibytes: Int(Double(bytes >> 10) * share)))
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting a tmpfs is not allowed here"))
  func `what was kept makes room for the next answer`() throws {
    let (project, disk) = try Self.project(2.2)
    for minute in [900, 2_700, 1_800, 2_400, 2_700] {
      let outcome = try Binary.run([
        "query", project.path, PastCacheTests.sums, "-o", "csv", "--as-of", PastCacheTests.time(minute),
      ])
      #expect(outcome.status == 0, "\(minute): \(outcome.errors)")
      #expect(
        LineFold.rows(outcome.output).dropFirst() == PastCacheTests.expected(0...minute)[...], "\(minute)")
    }
    withExtendedLifetime(disk) {}
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting a tmpfs is not allowed here"))
  func `without any room the question fails, says so and leaves nothing`() throws {
    let (project, disk) = try Self.project(0.4)
    let question = ["query", project.path, PastCacheTests.sums, "-o", "csv", "--as-of"]
    let outcome = try Binary.run(question + [PastCacheTests.time(2_900)])
    #expect(outcome.status == 2 && outcome.output.isEmpty, "\(outcome.output)")
    #expect(outcome.errors.contains("error[E0314]") && outcome.errors.contains("df -h"), "\(outcome.errors)")
    #expect(!outcome.errors.contains("goes on by itself"), "\(outcome.errors)")
    let folds = project.folder.appending(path: ".moontide/as-of/folds/sums")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folds.path).filter { $0.hasPrefix("work-") } == [])
    // A smaller one has room.
    #expect(
      try project.query(PastCacheTests.sums, ["--as-of", PastCacheTests.time(200)])
        == PastCacheTests.expected(0...200))
    withExtendedLifetime(disk) {}
  }
}
