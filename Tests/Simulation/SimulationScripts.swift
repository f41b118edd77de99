import MoontideCore
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// The handlers of every simulated project. What they do is computed a second time, over dictionaries, by
/// `ProjectionOracle` and `ConsumerOracle`.
enum SimulationScripts {
  static let text = """
    projection "totals" {
      schema = [[
        create table totals(key text primary key, n integer not null, mix integer not null) without rowid;
        create table amounts(key text primary key, sum integer not null default 0) without rowid;
      ]],
      on = { Paid = function(event, db)
        local row = db.totals:get(event.key)
        db.totals:put { key = event.key, n = (row and row.n or 0) + 1,
                        mix = ((row and row.mix or 7) * 31 + event.data.amount) % 1000003 }
        db.amounts:add(event.key, { sum = event.data.amount })
        if event.data.bad then error("no row") end
      end },
    }
    projection "arrivals" {
      schema = "create table arrivals(key text primary key, n integer not null) without rowid",
      on = { Receipt = function(event, db) db.arrivals:add(event.key, { n = 1 }) end },
    }
    consumer "receipts" {
      from = "start", lanes = 2, retry = { attempts = 2, backoff = "20ms", max = "200ms" }, exhausted = "skip",
      on = { Paid = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Receipt", topic = "receipts", data = { n = ctx.state.n, of = event.id } }
        if event.data.bad then error("no receipt") end
        if event.data.two then ctx.emit { type = "Copy", topic = "receipts", data = { of = event.id } } end
      end },
    }
    consumer "gate" {
      from = "start", retry = { attempts = 3, backoff = "10ms", max = "200ms" }, exhausted = "park",
      on = { Paid = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Passed", topic = "passed", data = { n = ctx.state.n, of = event.id } }
        if event.data.poison then error("stop") end
      end },
    }
    """

  /// Loaded once: it never changes.
  static let catalog: ProjectCatalog = {
    let catalog = ProjectCatalog.load(
      handlers: [ScriptSource(path: "handlers/simulated.lua", text: Array(text.utf8))], modules: [:],
      schemaCheck: { schema in
        do throws(MoontideSQLite.SchemaFault) {
          return .success(try ProjectionStore.checkSchema(schema))
        } catch {
          return .failure(SchemaRefusal(message: error.message, byteOffset: error.byteOffset))
        }
      })
    precondition(!catalog.hasErrors, "the simulated handlers do not load: \(catalog.diagnostics)")
    return catalog
  }()
}
