import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// The read model in use, copied as of one commit; nil where there is none.
struct LiveCopy {
  let path: String
  let identity: StoreIdentity
  /// The first position that it does not hold.
  let end: Position
  /// How many decisions about its dead letters it follows.
  let decided: Int

  /// - Parameter definition: the one on disk; a renamed one may still be under its old name.
  init?(
    of definition: HandlerDefinition, _ paths: ProjectPaths, _ scratch: ScratchFiles, _ files: any FileSystem
  ) throws(Diagnostic) {
    var found: String?
    for name in [definition.name, definition.identityName] where found == nil {
      let path = paths.readModel(name)
      if try FileError.told({ () throws(FileError) in try files.status(path) }) != nil { found = path }
    }
    guard let found else { return nil }
    path = scratch.path("live.sqlite")
    let copy = path
    try StoreError.told { () throws(StoreError) in try StoreCopy.make(of: found, at: copy) }
    let reader: StoreReader
    do throws(StoreOpeningError) { reader = try StoreReader(path: copy) } catch {
      throw error.diagnostic(paths.relative(found))
    }
    identity = reader.identity
    guard identity.kind == .projection, [definition.name, definition.identityName].contains(identity.handler)
    else {
      throw Diagnostic(
        .storeDamaged,
        "\(paths.relative(found)) is the file of \(identity.kind.rawValue) \(identity.handler)",
        help: "moontide run folds the right one from the log")
    }
    let ledger = try StoreError.told { () throws(StoreError) in try reader.ledger() }
    end = ledger.checkpoints.values.max() ?? .start
    decided = ledger.decided
  }
}
