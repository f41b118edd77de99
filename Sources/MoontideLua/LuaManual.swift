/// Everything that scripts can call or name, beyond what Lua 5.4 has by itself: for editors (as LuaCATS), for
/// completion and for `.help`. `LuaState.offered` says what the sandbox registers; a test holds both
/// together.
public enum LuaManual {
  /// In the order in which a reader wants them.
  public static let chapters: [ManualChapter] = [
    EventManual.chapter, TableManual.chapter, ContextManual.chapter, SagaManual.chapter,
    DeciderManual.chapter, UpcasterManual.chapter, ToolManual.chapter,
  ]

  /// Every function by the name that a script calls it by, such as `ctx.emit` or `db.TABLE:put`. What
  /// consumers and sagas both have is there twice.
  public static let functions: [(name: String, function: ManualFunction)] = chapters.flatMap { chapter in
    chapter.entries.flatMap { entry -> [(name: String, function: ManualFunction)] in
      switch entry {
      case .function(let function): [(function.name, function)]
      case .type(let type): type.functions.map { ((type.shown ?? type.name) + $0.name, $0) }
      case .alias, .value: []
      }
    }
  }

  /// The types by name, such as `Event` with its fields.
  public static let types: [String: ManualType] = Dictionary(
    uniqueKeysWithValues: chapters.flatMap(\.entries).compactMap { entry in
      if case .type(let type) = entry { (type.name, type) } else { nil }
    })
}

/// Entries that belong together.
public struct ManualChapter: Sendable {
  public var title: String
  public var entries: [ManualEntry]

  init(_ title: String, _ entries: [ManualEntry]) {
    self.title = title
    self.entries = entries
  }
}

public enum ManualEntry: Sendable {
  /// Another name of a type.
  case alias(ManualField)
  /// What has fields or functions.
  case type(ManualType)
  /// A global function, or one that is added to a library of Lua's.
  case function(ManualFunction)
  /// A global value.
  case value(ManualField)
}

/// A field, a parameter or a value with its type, in the language of LuaCATS.
public struct ManualField: Sendable, Hashable {
  public var name: String
  public var type: String
  /// May be left out.
  public var isOptional: Bool
  /// Empty where the name says it.
  public var text: String

  /// - Parameter name: one that ends with `?` may be left out.
  init(_ name: String, _ type: String, _ text: String = "") {
    isOptional = name.hasSuffix("?")
    self.name = isOptional ? String(name.dropLast()) : name
    self.type = type
    self.text = text
  }
}

public struct ManualType: Sendable, Hashable {
  public var name: String
  public var text: String
  /// Whose fields it has too.
  public var parent: String?
  /// What scripts call a value of it, where it has a name of its own.
  public var shown: String?
  /// Whether a global of that name is one.
  public var isValue: Bool
  public var fields: [ManualField]
  /// Such as `concat(string): string`.
  public var operators: [String]
  /// Their names begin with `.` or `:`, as they are called.
  public var functions: [ManualFunction]

  init(
    _ name: String, _ text: String = "", parent: String? = nil, shown: String? = nil, isValue: Bool = false,
    fields: [ManualField] = [], operators: [String] = [], functions: [ManualFunction] = []
  ) {
    self.name = name
    self.text = text
    self.parent = parent
    self.shown = shown
    self.isValue = isValue
    self.fields = fields
    self.operators = operators
    self.functions = functions
  }
}

public struct ManualFunction: Sendable, Hashable {
  public var name: String
  public var text: String
  /// The last one may be `...`.
  public var parameters: [ManualField]
  /// Nil: nothing.
  public var returns: String?
  /// Further ways to call it, such as `fun(kind: "http", request: HttpRequest): string`.
  public var overloads: [String]

  init(
    _ name: String, _ text: String = "", parameters: [ManualField] = [], returns: String? = nil,
    overloads: [String] = []
  ) {
    self.name = name
    self.text = text
    self.parameters = parameters
    self.returns = returns
    self.overloads = overloads
  }
}
