public import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Proves that a read model is the fold of the log through its script: copies it as of one commit, folds the
/// log afresh up to the same place into a file beside, and compares table by table. Changes nothing and takes
/// no lock: works beside a run and without one.
public struct ProjectionVerifier {
  /// What came out.
  public struct Verdict: Sendable {
    /// The first position that was not compared.
    public var end: Position
    public var tables: Int
    public var rows: UInt64
    /// Rows that differ, over all tables, and dead letters that only one side has.
    public var differences: Int
  }

  private let paths: ProjectPaths
  private let files: any FileSystem

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
  }

  /// Hands one row to `sink` for each value that differs, the first `Limits.differencesShownMax` rows of a
  /// table.
  /// - Parameter progress: told positions folded and in all; what it throws ends the comparison.
  public func verify(
    _ name: String, to sink: any RowSink, progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Verdict {
    let scripts = try LoadedScripts.load(paths, files: files)
    guard let definition = scripts.catalog.definition(name), definition.kind == .projection else {
      let names = scripts.catalog.definitions.filter { $0.kind == .projection }.map(\.name)
      let near = Suggestion.nearest(to: name, among: names)
      throw Diagnostic(
        .noSuchHandler, "there is no projection \(name)", help: near.map { "did you mean \($0)?" })
    }
    let scratch = try ScratchFiles(paths, files: files, randomness: SystemSurroundings.randomness)
    let verdict: Verdict
    do throws(Diagnostic) {
      verdict = try compare(definition, scripts.catalog, scratch, sink, progress)
    } catch {
      try scratch.remove()
      throw error
    }
    try scratch.remove()
    return verdict
  }

  private func compare(
    _ definition: HandlerDefinition, _ catalog: ProjectCatalog, _ scratch: ScratchFiles, _ sink: any RowSink,
    _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Verdict {
    let live = paths.readModel(definition.name)
    let (found, fresh) = (scratch.path("found.sqlite"), scratch.path("fold.sqlite"))
    let isThere: Bool
    do throws(StoreOpeningError) { isThere = try StoreCopy.ifThere(live, at: found, files) } catch {
      throw error.diagnostic(live)
    }
    guard isThere else {
      throw Diagnostic(
        .noSuchHandler, "projection \(definition.name) has no read model yet", help: "moontide run")
    }
    let reader = try open(found, as: live)
    let ledger = try StoreError.told { () throws(StoreError) in try reader.ledger() }
    let former = try checkOwner(reader, definition)
    let (definition, catalog) = (former?.definition ?? definition, former?.catalog ?? catalog)
    let end = ledger.checkpoints.values.max() ?? .start
    let log = try LogError.told { () throws(LogError) in
      try LogReader(directory: paths.log, files: files, before: end)
    }
    guard log.durableEnd == end else {
      throw Diagnostic(
        .storeDamaged,
        "the read model of \(definition.name) has come to \(end), and the log ends at \(log.durableEnd)")
    }
    let fold = FreshFold(definition: definition, catalog: catalog, log: log, decided: ledger.decided)
    // Where the script halts, the live one did too, if it is the fold.
    if case .halted(let place, let fault) = try fold.run(to: fresh, progress), place != end { throw fault }
    let expected = try open(fresh, as: fresh)
    return try differences(definition, reader, expected, end, sink)
  }

  /// - Returns: the version that it was folded by, when that is not the one on disk.
  private func checkOwner(
    _ reader: StoreReader, _ definition: HandlerDefinition
  ) throws(Diagnostic) -> FormerVersions.Version? {
    let identity = reader.identity
    guard identity.handler == definition.name, identity.kind == .projection else {
      throw Diagnostic(
        .storeDamaged,
        "\(paths.relative(paths.readModel(definition.name))) is the file of \(identity.kind.rawValue) "
          + "\(identity.handler)", help: "moontide run folds the right one from the log")
    }
    if identity.scriptVersion == definition.scriptVersion { return nil }
    // What it was folded by may be kept behind the place that it has come to.
    let log = try LogError.told { () throws(LogError) in try LogReader(directory: paths.log, files: files) }
    let former = try FormerVersions(paths: paths, files: files, log: log).version(
      definition.name, identity.scriptVersion)
    guard let former else {
      throw Diagnostic(
        .storeDamaged,
        "the script of \(definition.name) was edited since its read model was folded: there is nothing to "
          + "compare with", help: "moontide run folds it anew; then verify")
    }
    return former
  }

  private func open(_ path: String, as shown: String) throws(Diagnostic) -> StoreReader {
    do throws(StoreOpeningError) { return try StoreReader(path: path) } catch {
      throw error.diagnostic(shown)
    }
  }

  private func differences(
    _ definition: HandlerDefinition, _ found: StoreReader, _ expected: StoreReader, _ end: Position,
    _ sink: any RowSink
  ) throws(Diagnostic) -> Verdict {
    try sink.columns(["table", "key", "column", "read_model", "fold"])
    let (have, want) = try StoreError.told { () throws(StoreError) in
      (try found.contents(), try expected.contents())
    }
    var verdict = Verdict(
      end: end, tables: want.count, rows: want.reduce(0) { $0 + $1.rows }, differences: 0)
    for table in try StoreError.told({ () throws(StoreError) in try expected.tables() }) {
      let content = want.first { $0.table == table.name }
      guard let other = have.first(where: { $0.table == table.name }) else {
        verdict.differences += 1
        try tell([table.name, nil, nil, "no such table", "\(content?.rows ?? 0) rows"], sink)
        continue
      }
      if other == content { continue }
      let comparison = try StoreError.told { () throws(StoreError) in
        try TableComparison(table, found: found, expected: expected, clock: SystemSurroundings.clock)
      }
      verdict.differences += max(1, comparison.count)
      for one in comparison.differences {
        try tell([table.name, one.key, one.column, one.found, one.expected], sink)
      }
    }
    let letters = try StoreError.told { () throws(StoreError) in
      (Set(try found.deadLetters().map(\.position)), Set(try expected.deadLetters().map(\.position)))
    }
    for position in letters.0.symmetricDifference(letters.1).sorted() {
      verdict.differences += 1
      let isThere = letters.0.contains(position)
      try tell(
        ["dead letters", "\(position)", nil, isThere ? "set aside" : nil, isThere ? nil : "set aside"], sink)
    }
    return verdict
  }

  private func tell(_ values: [String?], _ sink: any RowSink) throws(Diagnostic) {
    let row = RowBuffer()
    for value in values {
      if let value { row.append(text: value) } else { row.cells.append(.null) }
    }
    try sink.row(row)
  }
}
