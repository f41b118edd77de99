/// What editors with a LuaCATS server (lua-language-server) know of the handlers' world:
/// `.moontide/stubs/moontide.lua`, to which `.luarc.json` points.
enum LuaStubs {
  static let file = ProjectTemplate.File(".moontide/stubs/moontide.lua", text)

  private static let text = #"""
    ---@meta

    -- Written by `moontide new`; a copy for your editor, never loaded.

    ---JSON null, SQL NULL. A field that is missing is nil, not null.
    ---@class null
    null = {}

    ---An event, read-only.
    ---@class Event
    ---@field id string
    ---@field source string
    ---@field type string
    ---@field version integer
    ---@field topic string
    ---@field partition integer
    ---@field offset integer
    ---@field position integer
    ---@field key string
    ---@field time string RFC 3339 as the source wrote it; `moontide.time(event.time)` gives microseconds
    ---@field recorded string
    ---@field data table
    ---@field meta table

    ---@alias Value string|number|boolean|null
    ---@alias Key Value|Value[] A list for a composite key

    ---One table of a projection, as `db.NAME`.
    ---@class Table
    local Table = {}
    ---Writes the named columns of the row with that key, creating it.
    ---@param row table<string, Value>
    function Table:put(row) end
    ---The row, or nil.
    ---@param key Key
    ---@return table<string, Value>?
    function Table:get(key) end
    ---Changes a row; false when there is none.
    ---@param key Key
    ---@param changes table<string, Value>
    ---@return boolean
    function Table:update(key, changes) end
    ---@param key Key
    ---@return boolean
    function Table:delete(key) end
    ---Adds to columns, NULL counting as 0; creates the row.
    ---@param key Key
    ---@param amounts table<string, number>
    function Table:add(key, amounts) end
    ---The rows that have these values, in key order.
    ---@param conditions table<string, Value>
    ---@return fun(): table<string, Value>?
    function Table:each(conditions) end

    ---A projection's own tables.
    ---@class Database
    ---@field [string] Table
    local Database = {}
    ---Rows of a SELECT.
    ---@param sql string
    ---@param ... Value
    ---@return table<string, Value>[]
    function Database:query(sql, ...) end
    ---@param sql string
    ---@param ... Value
    function Database:exec(sql, ...) end
    ---A table that is named like a method.
    ---@param name string
    ---@return Table
    function Database:table(name) end

    ---What a consumer can do. All of it is recorded in one transaction with the checkpoint.
    ---@class Context
    ---@field state table Durable, per topic and key
    ---@field env table<string, EnvironmentReference> Names of `env` in moontide.lua; values only the effect gets
    local Context = {}
    ---Something to be done outside, recorded now and performed after the commit; returns its key.
    ---@overload fun(kind: "http", request: HttpRequest): string
    ---@overload fun(kind: "exec", request: ExecRequest): string
    ---@overload fun(kind: "log", request: LogRequest): string
    function Context.effect(kind, request) end
    ---Puts an event into the log, exactly once; returns its id.
    ---@param event NewEvent
    ---@return string
    function Context.emit(event) end

    ---A value of the environment that no script sees: join it with texts by `..`, give it to `ctx.effect`.
    ---@class EnvironmentReference
    ---@operator concat(string): EnvironmentReference

    ---@class HttpRequest
    ---@field url string|EnvironmentReference
    ---@field method? "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"|"OPTIONS" POST where there is a body
    ---@field headers? table<string, string|EnvironmentReference>
    ---@field json? any The body, as JSON
    ---@field body? string The body, as it is
    ---@field timeout? string "30s" unless given
    ---@field about? any Comes back as `result.data.about`

    ---@class ExecRequest
    ---@field program string A name of `programs` in moontide.lua
    ---@field args? (string|EnvironmentReference)[]
    ---@field stdin? string
    ---@field json? any One line of JSON on stdin
    ---@field env? table<string, string|EnvironmentReference>
    ---@field timeout? string "30s" unless given
    ---@field about? any

    ---@class LogRequest
    ---@field file string Below the project, such as "logs/orders.log"
    ---@field text? string One line
    ---@field json? any One line of JSON
    ---@field about? any

    ---@class Envelope
    ---@field key? string
    ---@field id? string
    ---@field time? string
    ---@field version? integer
    ---@field topic? string
    ---@field meta? table

    ---@class NewEvent : Envelope
    ---@field type string
    ---@field data table

    ---@type table<string, fun(data: table, envelope?: Envelope): NewEvent>
    events = {}

    ---@class ProjectionDefinition
    ---@field schema string SQL: tables, indexes, FTS5 tables
    ---@field on table<string, fun(event: Event, db: Database)>
    ---@field exhausted? "halt"
    ---@field wants? table<string, integer> Versions to see instead of the newest

    ---A read model: tables that are a fold of the log.
    ---@param name string
    ---@return fun(definition: ProjectionDefinition)
    function projection(name) end

    ---@class RetryPolicy
    ---@field attempts? integer
    ---@field backoff? string
    ---@field factor? number
    ---@field max? string

    ---@class ConsumerDefinition
    ---@field on table<string, fun(event: Event, ctx: Context)>
    ---@field on_result? fun(result: Event, ctx: Context) What came of an effect: `result.data.ok`, `result.id` its key
    ---@field lanes? integer
    ---@field retry? RetryPolicy
    ---@field exhausted? "park"|"skip"|"halt"
    ---@field from? "start"|"now"|string
    ---@field wants? table<string, integer> Versions to see instead of the newest

    ---Reacts to events.
    ---@param name string
    ---@return fun(definition: ConsumerDefinition)
    function consumer(name) end

    ---What `rename`, `split` and `drop` make, for an upcaster to return.
    ---@class Reshaped

    ---@class UpcasterDefinition
    ---@field [integer] fun(data: table, event: Event): table|Reshaped `[n]` takes version n to n+1
    ---@field down? table<integer, fun(data: table, event: Event): table> `down[n]` takes n to n-1, for `wants`

    ---Brings stored events of one type to the newest version.
    ---@param type string
    ---@return fun(steps: UpcasterDefinition)
    function upcaster(type) end
    ---Gives the event another type; what it makes goes through that type's upcaster from its version on.
    ---@param type string
    ---@param data table
    ---@param version? integer 1 unless given
    ---@return Reshaped
    function rename(type, data, version) end
    ---Makes several events of one. Their ids are derived; key, time and meta are the event's unless given.
    ---@param parts NewEvent[]
    ---@return Reshaped
    function split(parts) end
    ---Makes nothing of the event.
    ---@return Reshaped
    function drop() end

    ---@class moontide
    moontide = {}
    ---Microseconds since 1970 of an RFC 3339 text.
    ---@param text string
    ---@return integer
    function moontide.time(text) end

    """#
}
