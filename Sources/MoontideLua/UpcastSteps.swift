/// A part of a type's chain, ready to be called: made once, so that no array is built per event.
public struct UpcastSteps: Sendable, Hashable {
  /// In the order of their calls.
  public let functions: [LuaFunction]
  /// Whether they lead from newer versions to older ones.
  public let isDown: Bool
  let references: [Int32]

  public init(_ functions: [LuaFunction], isDown: Bool = false) {
    self.functions = functions
    self.isDown = isDown
    references = functions.map(\.reference)
  }

  public var isEmpty: Bool { references.isEmpty }
}
