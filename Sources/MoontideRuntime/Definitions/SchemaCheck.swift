public import MoontideCore

/// Tries a projection's SQL and says which tables it makes. Passed in by the host, which knows the backend.
public typealias SchemaCheck = @Sendable (String) -> Result<[StoreTable], SchemaFault>

/// Why a schema is refused.
public struct SchemaFault: Error, Sendable, Hashable {
  public var message: String
  /// Of the first byte at fault in the schema's text, when it is known.
  public var byteOffset: Int?
  public init(message: String, byteOffset: Int? = nil) {
    self.message = message
    self.byteOffset = byteOffset
  }
}
