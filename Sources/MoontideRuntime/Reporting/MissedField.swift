public import MoontideCore

/// A field that a script asked one event for in vain. Others of that type may have it: see `warning`.
public struct MissedField: Sendable, Hashable {
  /// `projection orders`
  public var handler: String
  public var field: String
  /// Of the event.
  public var type: String
  /// Where the script asks for it, as far as that is known.
  public var place: SourcePlace

  public init(handler: String, field: String, type: String, place: SourcePlace) {
    self.handler = handler
    self.field = field
    self.type = type
    self.place = place
  }

  /// What to say when no event of that type has the field.
  /// - Parameter names: the fields that they have.
  public func warning(names: some Sequence<String>) -> Diagnostic {
    let known = names.sorted()
    let near = Suggestion.nearest(to: field, among: known)
    return Diagnostic(
      .warning, code: RuntimeCode.unknownField.rawValue,
      "\(handler): no event of type \(type) has a field `\(field)` in its data", at: place
    ).adding(
      "help",
      near.map { "did you mean `\($0)`?" }
        ?? (known.isEmpty ? "their data is empty" : "they have: \(known.prefix(20).joined(separator: ", "))"))
  }
}
