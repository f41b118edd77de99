import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// The read model in use, copied as of one commit; nil where there is none.
struct LiveCopy {
  /// How it is shown.
  static let origin = "the live read model"

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
    let copy = scratch.path("live.sqlite")
    path = copy
    var found: String?
    // It may take its new name between a look at the one and at the other.
    for name in [definition.name, definition.identityName, definition.name] where found == nil {
      let path = paths.readModel(name)
      do throws(StoreOpeningError) {
        if try StoreCopy.ifThere(path, at: copy, files) { found = path }
      } catch { throw error.diagnostic(path) }
    }
    guard let found else { return nil }
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
