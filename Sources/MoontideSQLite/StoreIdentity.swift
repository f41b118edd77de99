public import MoontideCore

/// Whose file it is: what `_mt_meta` of every store says.
public struct StoreIdentity: Sendable, Hashable {
  /// The handler's name.
  public var handler: String
  public var kind: HandlerKind
  /// The content version of the script that fills it, as the runtime computed it.
  public var scriptVersion: String
  /// Of the schema text (a projection's); empty for other kinds. Given by the store.
  public var schemaDigest: String

  public init(handler: String, kind: HandlerKind, scriptVersion: String, schemaDigest: String = "") {
    self.handler = handler
    self.kind = kind
    self.scriptVersion = scriptVersion
    self.schemaDigest = schemaDigest
  }
}

/// Why a store could not be made or opened.
public enum StoreOpeningError: Error, Sendable, Equatable {
  /// The projection's SQL is wrong.
  case schema(SchemaFault)
  /// A newer Moontide wrote the file. Go back to that version, or (a projection) delete the file.
  case unsupportedFormat(path: String, version: Int, supported: Int)
  /// There is nothing in the file: its maker was killed before the first commit. As good as no file.
  case empty(path: String)
  case store(StoreError)
}

extension StoreOpeningError {
  /// Runs `body`, telling its error as one of opening.
  static func wrap<R>(_ body: () throws(StoreError) -> R) throws(StoreOpeningError) -> R {
    do { return try body() } catch { throw .store(error) }
  }
}
