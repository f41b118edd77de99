/// Why a script did not load or a handler failed.
public struct LuaFault: Error, Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// The text is not Lua.
    case syntax
    /// `error(…)`, or an operation that Lua refuses.
    case runtime
    case instructionBudget
    case timeBudget
    case memoryBudget
    /// The host refused a call; the code is of `explain`.
    case refused(code: String)
  }

  public var kind: Kind
  /// Without the place; at most `Limits.errorTextBytesMax`.
  public var message: String
  /// As in `ScriptSource.path`; nil when it is not in a script.
  public var path: String?
  public var line: Int?
  /// The name that Lua blames (`customer` in "field 'customer'"), for the caret.
  public var blamed: String?
  /// Innermost first, at most 20.
  public var traceback: [Frame]

  public struct Frame: Sendable, Hashable {
    public var path: String
    public var line: Int
    public var function: String
    public init(path: String, line: Int, function: String) {
      self.path = path
      self.line = line
      self.function = function
    }
  }

  public init(
    kind: Kind, message: String, path: String? = nil, line: Int? = nil, blamed: String? = nil,
    traceback: [Frame] = []
  ) {
    self.kind = kind
    self.message = message
    self.path = path
    self.line = line
    self.blamed = blamed
    self.traceback = traceback
  }
}
