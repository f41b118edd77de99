public import MoontideCore

/// Tries a projection's SQL and says which tables it makes. Passed in by the host, which knows the backend.
public typealias SchemaCheck = @Sendable (String) -> Result<[StoreTable], SchemaRefusal>

/// Why a schema is refused.
public struct SchemaRefusal: Error, Sendable, Hashable {
  public var message: String
  /// Of the first byte at fault in the schema's text, when it is known.
  public var byteOffset: Int?
  /// How many bytes to point at; nil: the word that begins there.
  public var byteCount: Int?
  /// The name that was probably meant.
  public var suggestion: String?
  public init(message: String, byteOffset: Int? = nil, byteCount: Int? = nil, suggestion: String? = nil) {
    self.message = message
    self.suggestion = suggestion
    self.byteOffset = byteOffset
    self.byteCount = byteCount
  }
}
