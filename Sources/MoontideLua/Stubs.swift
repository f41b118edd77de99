/// What editors know of the functions that scripts are offered: text for the Lua language server (LuaCATS
/// annotations), written into a project by `new`.
public enum Stubs {
  /// A function or value of the API.
  public struct Entry: Sendable, Hashable {
    /// As scripts write it: `ctx.emit`, `Table:put`.
    public var name: String
    /// Parameters with their types, in order; nil when it is a value.
    public var parameters: [(name: String, type: String)]?
    /// Of the value, or of what the function returns; nil for nothing.
    public var type: String?
    /// One line.
    public var doc: String

    init(_ name: String, _ parameters: [(name: String, type: String)]?, _ type: String?, _ doc: String) {
      self.name = name
      self.parameters = parameters
      self.type = type
      self.doc = doc
    }

    public static func == (a: Entry, b: Entry) -> Bool { a.name == b.name }
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
  }

  /// Everything that is not plain Lua 5.4, one entry each.
  public static let entries: [Entry] = [
    Entry("null", nil, "Null", "JSON null and SQL NULL; not nil."),
    Entry("array", [("list", "table?")], "table", "Marks a table as a JSON array, also when it is empty."),
    Entry("moontide.time", [("text", "string")], "integer", "Microseconds since 1970 of an RFC 3339 time."),
    Entry(
      "table.copy", [("value", "table")], "table", "A copy: deep of event data, flat of a table."),
    Entry(
      "events", nil, "table<string, fun(data?: table, envelope?: Envelope): Emitted>",
      "Makes events: events.OrderPlaced { … }."),
    Entry(
      "commands", nil, "table<string, fun(data?: table, envelope?: Envelope): Emitted>", "Makes commands."),
    Entry("projection", [("name", "string")], "fun(body: Projection)", "Defines a read model."),
    Entry("consumer", [("name", "string")], "fun(body: Consumer)", "Defines a handler that reacts."),
    Entry(
      "upcaster", [("type", "string")], "fun(body: Upcaster)",
      "Defines how old versions of an event become new ones: [n] takes version n to n+1."),
    Entry(
      "rename", [("type", "string"), ("data", "table"), ("version", "integer?")], "Reshaped",
      "What an upcaster returns to give the event another type; version 1 of it, unless one is said."),
    Entry(
      "split", [("parts", "Emitted[]")], "Reshaped",
      "What an upcaster returns to make several events of one: split { events.A { … }, … }."),
    Entry("drop", [], "Reshaped", "What an upcaster returns to make nothing of an event."),
    Entry(
      "Table:put", [("row", "table")], nil, "Writes the named columns of the row of that key, or a new one."),
    Entry("Table:get", [("key", "any")], "table?", "The row with that key, or nil; NULL is an absent field."),
    Entry(
      "Table:update", [("key", "any"), ("changes", "table")], "boolean",
      "Changes columns of a row; false when there is none."),
    Entry("Table:delete", [("key", "any")], "boolean", "Deletes a row; false when there was none."),
    Entry(
      "Table:add", [("key", "any"), ("numbers", "table")], nil,
      "Adds to columns, NULL counting as 0; creates the row."),
    Entry(
      "Table:each", [("conditions", "table?")], "fun(): table?",
      "Goes over the rows with these values, in key order."),
    Entry(
      "Database:query", [("sql", "string"), ("...", "any")], "table[]", "The rows of a query, as tables."),
    Entry("Database:exec", [("sql", "string"), ("...", "any")], nil, "Runs one statement on own tables."),
    Entry("Database:table", [("name", "string")], "Table", "A table that is named like a method."),
    Entry("Context.emit", [("event", "Emitted")], "string", "Emits an event; gives its id."),
    Entry("Context.state", nil, "table?", "Durable state of the stored event's key; nested changes count."),
  ]

  /// Classes that the entries name: fields with types.
  static let classes: [(name: String, fields: [(name: String, type: String)])] = [
    ("Null", []),
    (
      "Event",
      [
        ("id", "string"), ("source", "string"), ("type", "string"), ("version", "integer"),
        ("topic", "string"), ("partition", "integer"), ("offset", "integer"), ("position", "integer"),
        ("key", "string"), ("time", "string"), ("recorded", "string"), ("data", "table"), ("meta", "table?"),
      ]
    ),
    (
      "Envelope",
      [
        ("key", "string?"), ("id", "string?"), ("time", "string?"), ("version", "integer?"),
        ("topic", "string?"), ("meta", "table?"),
      ]
    ),
    ("Reshaped", []),
    (
      "Upcaster",
      [
        ("[integer]", "fun(data: table, event: Event): table|Reshaped"),
        ("down", "table<integer, fun(data: table, event: Event): table>?"),
      ]
    ),
    ("Emitted: Envelope", [("type", "string"), ("data", "table")]),
    ("Table", []), ("Database", [("[string]", "Table")]), ("Context", []),
    (
      "Projection",
      [
        ("schema", "string"), ("on", "table<string, fun(event: Event, db: Database)>"),
        ("topics", "string[]?"), ("exhausted", "\"halt\"?"), ("was", "string?"),
        ("wants", "table<string, integer>?"),
      ]
    ),
    (
      "Consumer",
      [
        ("on", "table<string, fun(event: Event, ctx: Context)>"), ("topics", "string[]?"),
        ("lanes", "integer?"), ("retry", "table?"), ("exhausted", "\"park\"|\"skip\"|\"halt\"?"),
        ("from", "string?"), ("was", "string?"), ("wants", "table<string, integer>?"),
      ]
    ),
  ]

  /// The file: `---@meta`, the classes, then one declaration an entry.
  public static let luaCATS: String = {
    var text =
      "---@meta\n-- What Moontide offers to scripts beside Lua 5.4. Written by `moontide new`.\n"
    for one in classes {
      text += "\n---@class \(one.name)\n"
      for field in one.fields { text += "---@field \(field.name) \(field.type)\n" }
      if one.fields.isEmpty || ["Database", "Table", "Context"].contains(one.name) {
        text += "local \(one.name) = {}\n"
      }
    }
    text += "\nmoontide = {}\n"
    for entry in entries {
      text += "\n--- \(entry.doc)\n"
      if let parameters = entry.parameters {
        for parameter in parameters { text += "---@param \(parameter.name) \(parameter.type)\n" }
        if let type = entry.type { text += "---@return \(type)\n" }
        text += "function \(entry.name)(\(parameters.map(\.name).joined(separator: ", "))) end\n"
      } else {
        text += "---@type \(entry.type ?? "any")\n\(entry.name) = nil\n"
      }
    }
    return text
  }()
}
