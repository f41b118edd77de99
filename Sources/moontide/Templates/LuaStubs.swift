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
    ---@field state table? Durable, per topic and key; nested changes count
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
    ---Sends a command to its decider, exactly once; returns its id. sys.commands has its outcome.
    ---@param command NewCommand
    ---@return string
    function Context.send(command) end

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

    ---What goes around the data; each field has a default.
    ---@class Envelope
    ---@field key? string|integer
    ---@field id? string|integer
    ---@field time? string RFC 3339
    ---@field version? integer
    ---@field topic? string Of events alone: a command goes to its decider
    ---@field meta? table

    ---@class NewEvent : Envelope
    ---@field type string
    ---@field data table

    ---@class NewCommand : Envelope
    ---@field type string
    ---@field data table

    ---Makes events: `events.OrderPlaced { … }`.
    ---@type table<string, fun(data?: table, envelope?: Envelope): NewEvent>
    events = {}
    ---Makes commands: `commands.PlaceOrder { … }`.
    ---@type table<string, fun(data?: table, envelope?: Envelope): NewCommand>
    commands = {}

    ---@class ProjectionDefinition
    ---@field schema string SQL: tables, indexes, FTS5 tables
    ---@field on table<string, fun(event: Event, db: Database)>
    ---@field topics? string[] Sees these topics alone
    ---@field exhausted? "halt"
    ---@field was? string Its old name
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
    ---@field topics? string[] Sees these topics alone
    ---@field lanes? integer Lua states side by side
    ---@field retry? RetryPolicy
    ---@field exhausted? "park"|"skip"|"halt"
    ---@field from? "start"|"now"|string Where it begins in a log that has events already
    ---@field was? string Its old name: it keeps its checkpoint, state and identity
    ---@field wants? table<string, integer> Versions to see instead of the newest

    ---Reacts to events.
    ---@param name string
    ---@return fun(definition: ConsumerDefinition)
    function consumer(name) end

    ---What a saga's own functions can do; all of it is one transaction with its state and the checkpoint.
    ---@class SagaContext
    ---@field env table<string, EnvironmentReference> Names of `env` in moontide.lua; values only the effect gets
    local SagaContext = {}
    ---Sends a command to its decider, exactly once; returns its id.
    ---@param command NewCommand
    ---@return string
    function SagaContext.send(command) end
    ---Puts an event into the log, exactly once; returns its id.
    ---@param event NewEvent
    ---@return string
    function SagaContext.emit(event) end
    ---Something to be done outside, recorded now and performed after the commit, those of one instance in order;
    ---returns its key. What came of it is for `on_result`.
    ---@overload fun(kind: "http", request: HttpRequest): string
    ---@overload fun(kind: "exec", request: ExecRequest): string
    ---@overload fun(kind: "log", request: LogRequest): string
    function SagaContext.effect(kind, request) end
    ---Sets the timer of that name; without a delay it is no more.
    ---@param name string One of `timers`
    ---@param delay? string Such as "15m"
    function SagaContext.timer(name, delay) end
    ---Gives the instance up, and undoes its steps from the last to the first.
    ---@param reason string
    function SagaContext.compensate(reason) end
    ---Ends the instance as completed.
    function SagaContext.complete() end

    ---@alias Sent NewCommand|NewCommand[]|nil

    ---@class SagaStep
    ---@field name? string
    ---@field send? fun(state: table): Sent
    ---@field succeeds_on? string|string[]
    ---@field fails_on? string|string[]
    ---@field timeout? string Such as "15m"
    ---@field compensate? fun(state: table, result?: Event): Sent
    ---@field parallel? SagaStep[]

    ---@class SagaDefinition
    ---@field starts_on string|string[]
    ---@field correlate? table<string, string>|fun(event: Event): string|integer|nil
    ---@field initial? fun(event: Event): table
    ---@field steps? SagaStep[]
    ---@field completed? fun(state: table): Sent
    ---@field compensated? fun(state: table, why: table): Sent
    ---@field on? table<string, fun(state: table, event: Event, ctx: SagaContext)>
    ---@field on_result? fun(state: table, result: Event, ctx: SagaContext) What came of an effect of the instance
    ---@field timers? table<string, fun(state: table, ctx: SagaContext)>
    ---@field clock? "event"|"wall"
    ---@field topics? string[] Sees these topics alone
    ---@field retry? RetryPolicy
    ---@field exhausted? "park"|"skip"|"halt"
    ---@field from? "start"|"now"|string
    ---@field was? string Its old name
    ---@field wants? table<string, integer>
    ---@field migrate? fun(state: table, step?: string, status: string): table?, string|false|nil Brings an open instance that does not fit changed steps to the one to go on with; false: behind the last
    ---@field pin? boolean Open instances that do not fit changed steps end by the script that they stand by

    ---A process of several steps, with what undoes them.
    ---@param name string
    ---@return fun(definition: SagaDefinition)
    function saga(name) end

    ---What is asked of a decider, read-only.
    ---@class Command
    ---@field id string
    ---@field source string
    ---@field type string
    ---@field version integer
    ---@field key string Of its stream
    ---@field time string
    ---@field data table
    ---@field meta table

    ---What `reject` makes, for `decide` to return.
    ---@class Rejection

    ---@alias Decided NewEvent|NewEvent[]|Rejection One event, a list, {} (nothing happened) or a rejection

    ---@class DeciderDefinition
    ---@field topic? string Where its events go; "events" unless given
    ---@field key? string The field of a command's data that names its stream; else the command's key does
    ---@field initial? fun(): any The state of a stream without events; {} unless given
    ---@field decide table<string, fun(command: Command, state: any): Decided> By type of command
    ---@field evolve table<string, fun(state: any, event: Event): any> By type of event; returns the state
    ---@field snapshot_every? integer Keeps the state after so many events of a stream
    ---@field was? string Its old name: it keeps its identity

    ---Decides commands by the state that the stream's own events make. Pure.
    ---@param name string
    ---@return fun(definition: DeciderDefinition)
    function decider(name) end
    ---Says no: nothing happens, and whoever sent the command gets code and text.
    ---@param code string Such as "ORDER_EXISTS"
    ---@param text? string
    ---@return Rejection
    function reject(code, text) end

    ---What `rename`, `split` and `drop` make, for an upcaster to return.
    ---@class Reshaped

    ---@class UpcasterDefinition
    ---@field [integer] fun(data: table, event: Event): table|Reshaped `[n]` takes version n to n+1
    ---@field down? table<integer, fun(data: table, event: Event): table> `[n]` takes n to n-1, for `wants`

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

    ---Marks a table as a JSON array, also when it is empty.
    ---@param list? table
    ---@return table
    function array(list) end

    ---A copy to change: deep of what an event carries, flat of a table of yours.
    ---@param value table
    ---@return table
    function table.copy(value) end

    """#
}
