import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// How scripts and the open instances of sagas go together, before any of them runs. Reads files alone.
struct OpenInstances {
  let paths: ProjectPaths
  let files: any FileSystem
  let catalog: ProjectCatalog

  /// One of each saga: an error where its script cannot run beside its open instances, a note where it brings
  /// them along. By name.
  func problems(of names: Set<String>? = nil) throws(Diagnostic) -> [Diagnostic] {
    var problems: [Diagnostic] = []
    for saga in catalog.sagas.values.sorted(by: { $0.name < $1.name })
    where names?.contains(saga.name) ?? true {
      if let problem = try problem(saga) { problems.append(problem) }
    }
    return problems
  }

  private func problem(_ saga: SagaDefinition) throws(Diagnostic) -> Diagnostic? {
    let path = try file(saga)
    guard try FileError.told({ () throws(FileError) in try files.status(path) }) != nil else { return nil }
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      // One of another kind that had the name is put away before it begins.
      guard reader.identity.kind == .saga else { return nil }
      return try StoreOpeningError.told { () throws(StoreError) in
        var census = SagaCensus(saga)
        var last: SagaRow?
        while true {
          let rows = try reader.openSagas(
            except: saga.handler.scriptVersion, after: last, limit: Limits.readRecordsMax)
          if rows.isEmpty { break }
          for row in rows { census.add(row) }
          last = rows.last
        }
        let kept = Set(try reader.sourceVersions())
        return census.refusal { kept.contains($0) } ?? census.outlook
      }
    } catch {
      if case .empty = error { return nil }
      throw error.diagnostic(path)
    }
  }

  /// A renamed saga takes up the file of its old name when it runs, one that is back the one that was put
  /// away.
  private func file(_ saga: SagaDefinition) throws(Diagnostic) -> String {
    let own = paths.handlerFile(saga.name)
    for path in [own] + (saga.handler.was.map { [paths.handlerFile($0)] } ?? []) {
      if try FileError.told({ () throws(FileError) in try files.status(path) }) != nil { return path }
    }
    return try HandlerArchive(paths: paths, files: files).returning(saga.handler)?.path ?? own
  }
}
