import MoontideCore
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// Which edition of the scripts a life of the process finds: people edit them between two lives.
struct ScriptEdition: Hashable {
  /// Of the projection `totals`: 1 computes otherwise than 0; 2 is 0, mended.
  var totals = 0
  /// Whether the consumers fail no more.
  var isMended = false
  /// Of the decider and the upcasters, by `AccountScripts.editions`.
  var accounts = 0

  static let all = (0..<3).flatMap { totals in
    [false, true].flatMap { isMended in
      AccountScripts.editions.indices.map {
        ScriptEdition(totals: totals, isMended: isMended, accounts: $0)
      }
    }
  }
}

/// The handlers of every simulated project. What they do is computed a second time, over dictionaries, by
/// `ProjectionOracle` and `ConsumerOracle`.
enum SimulationScripts {
  /// What `mix` is multiplied by, by edition of `totals`.
  static let factors = [31, 37, 31]

  private static func totals(_ edition: Int) -> String {
    """
    projection "totals" {
      schema = [[
        create table totals(key text primary key, n integer not null, mix integer not null) without rowid;
        create table amounts(key text primary key, sum integer not null default 0) without rowid;
      ]],
      on = { Paid = function(event, db)
        local row = db.totals:get(event.key)
        db.totals:put { key = event.key, n = (row and row.n or 0) + 1,
                        mix = ((row and row.mix or 7) * \(factors[edition]) + event.data.amount) % 1000003 }
        db.amounts:add(event.key, { sum = event.data.amount })
        \(edition == 2 ? "" : "if event.data.bad then error(\"no row\") end")
      end },
    }
    """
  }

  private static let arrivals = """
    projection "arrivals" {
      schema = "create table arrivals(key text primary key, n integer not null) without rowid",
      on = { Receipt = function(event, db) db.arrivals:add(event.key, { n = 1 }) end },
    }
    """

  private static func consumers(isMended: Bool) -> String {
    """
    consumer "receipts" {
      from = "start", lanes = 2, exhausted = "skip",
      retry = { attempts = 2, backoff = "20ms", max = "200ms" },
      on = { Paid = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Receipt", topic = "receipts", data = { n = ctx.state.n, of = event.id } }
        \(isMended ? "" : "if event.data.bad then error(\"no receipt\") end")
        if event.data.two then ctx.emit { type = "Copy", topic = "receipts", data = { of = event.id } } end
      end },
    }
    consumer "gate" {
      from = "start", retry = { attempts = 3, backoff = "10ms", max = "200ms" }, exhausted = "park",
      on = { Paid = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Passed", topic = "passed", data = { n = ctx.state.n, of = event.id } }
        \(isMended ? "" : "if event.data.poison then error(\"stop\") end")
      end },
    }
    """
  }

  /// Loaded once: they never change.
  static let catalogs: [ScriptEdition: ProjectCatalog] = {
    var catalogs: [ScriptEdition: ProjectCatalog] = [:]
    for edition in ScriptEdition.all { catalogs[edition] = load(edition) }
    return catalogs
  }()

  static func catalog(_ edition: ScriptEdition) -> ProjectCatalog {
    guard let catalog = catalogs[edition] else { preconditionFailure("there is no edition \(edition)") }
    return catalog
  }

  /// The edition of `totals` that a store was made for, by the version that its file says.
  static let editions: [String: Int] = {
    var editions: [String: Int] = [:]
    for edition in ScriptEdition.all {
      guard let version = catalog(edition).definition("totals")?.scriptVersion else { continue }
      editions[version] = edition.totals
    }
    precondition(editions.count == factors.count, "editions of a script have versions of their own")
    return editions
  }()

  /// The edition of the upcasters that `till` was made for, likewise.
  static let tillEditions: [String: Int] = {
    var editions: [String: Int] = [:]
    for edition in ScriptEdition.all {
      guard let version = catalog(edition).definition("till")?.scriptVersion else { continue }
      let tag = AccountScripts.editions[edition.accounts].tag
      editions[version] = AccountScripts.editions.firstIndex { $0.tag == tag }
    }
    precondition(editions.count == 2, "editions of upcasters have versions of their own: \(editions)")
    return editions
  }()

  private static func load(_ edition: ScriptEdition) -> ProjectCatalog {
    let texts = [
      ("totals", totals(edition.totals)), ("arrivals", arrivals),
      ("consumers", consumers(isMended: edition.isMended)),
      ("account", AccountScripts.decider(edition.accounts)),
      ("upcasters", AccountScripts.upcasters(edition.accounts)), ("readers", AccountScripts.readers),
    ]
    let catalog = ProjectCatalog.load(
      handlers: texts.map { ScriptSource(path: "handlers/\($0.0).lua", text: Array($0.1.utf8)) },
      modules: [:],
      schemaCheck: { schema in
        do throws(MoontideSQLite.SchemaFault) {
          return .success(try ProjectionStore.checkSchema(schema))
        } catch {
          return .failure(SchemaRefusal(message: error.message, byteOffset: error.byteOffset))
        }
      })
    precondition(!catalog.hasErrors, "the simulated handlers do not load: \(catalog.diagnostics)")
    return catalog
  }
}
