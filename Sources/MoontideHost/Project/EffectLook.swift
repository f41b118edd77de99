import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// What `doctor` says of effects: ledgers, and what the settings allow them.
struct EffectLook {
  let paths: ProjectPaths
  let files: any FileSystem
  let scripts: LoadedScripts

  func look(isRunning: Bool, _ report: DoctorReport) throws(Diagnostic) {
    let rules = scripts.settings.defaults.effects
    for name in rules.environment where EffectThread.variable(name) == nil {
      try report.add(
        "env \(name)", .notable, "the settings allow effects to refer to it, and it is not set here",
        "set it where moontide run is started; effects that need it are given up")
    }
    for (name, place) in rules.programs.sorted(by: { $0.key < $1.key }) {
      let path = place.hasPrefix("/") ? place : "\(paths.root)/\(place)"
      let isThere = try FileError.told { () throws(FileError) in try files.status(path) != nil }
      if !isThere {
        try report.add("program \(name)", .wrong, "there is no \(path)", "mend programs in moontide.lua")
      }
    }
    for definition in scripts.catalog.definitions where definition.kind != .projection {
      guard let counts = try counts(definition), counts != LedgerCounts() else { continue }
      let found = "\(counts.done) done, \(counts.open) due or to be tried again, \(counts.dead) dead"
      let isLeft = counts.open > 0 && !isRunning
      try report.add(
        "effects of \(definition.name)", counts.dead > 0 || isLeft ? .notable : .well, found,
        counts.dead > 0 ? "moontide effects ls" : isLeft ? "moontide run" : "")
    }
  }

  /// Nil while it has no file, or one that cannot be read, which its own row tells.
  private func counts(_ definition: HandlerDefinition) throws(Diagnostic) -> LedgerCounts? {
    let path = paths.handlerFile(definition.name)
    guard try FileError.told({ () throws(FileError) in try files.status(path) }) != nil else { return nil }
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      return try StoreOpeningError.told { () throws(StoreError) in try reader.effectCounts() }
    } catch {
      return nil
    }
  }
}
