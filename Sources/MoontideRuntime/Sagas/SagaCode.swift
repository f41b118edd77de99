import MoontideCore
import MoontideLua

/// One version of a saga's script at work, with a Lua state of its own. Instances that do not fit today's
/// script may end by an older one. Owned by the worker's thread.
final class SagaCode {
  let saga: SagaDefinition
  let catalog: ProjectCatalog
  let host: SagaHost
  let coding: SagaCoding
  let report: FaultReport
  private(set) var program: SagaProgram
  var subscriptions: SubscriptionTable
  /// Of an older version: the open instances that stand by it.
  var open: Set<[UInt8]> = []

  var version: String { saga.handler.scriptVersion }

  init(
    _ saga: SagaDefinition, catalog: ProjectCatalog, surroundings: HandlerSurroundings
  ) throws(WorkerStop) {
    self.saga = saga
    self.catalog = catalog
    coding = SagaCoding(saga)
    host = SagaHost(saga, catalog: catalog, surroundings: surroundings)
    report = FaultReport(definition: saga.handler, scripts: catalog.scripts, upcasters: catalog.upcasters)
    do throws(LuaFault) { program = try SagaProgram(saga, catalog: catalog, host: host) } catch {
      throw .halt(FaultReport.loading(error, path: saga.handler.path, scripts: catalog.scripts))
    }
    subscriptions = program.reading.subscriptions
  }

  /// The code that kept sources make; nil when they do not make that version of the saga, or do not load.
  ///
  /// - Parameter today: says which decider takes a command; what upcasters did then is of the sources.
  static func kept(
    _ sources: [SagaSource], version: String, today: ProjectCatalog, surroundings: HandlerSurroundings
  ) -> SagaCode? {
    var modules: [String: ScriptSource] = [:]
    for source in sources where !source.module.isEmpty {
      modules[source.module] = ScriptSource(path: source.path, text: source.text)
    }
    let handlers = sources.filter(\.module.isEmpty).map { ScriptSource(path: $0.path, text: $0.text) }
    let kept = ProjectCatalog.load(
      handlers: handlers, modules: modules, defaults: today.defaults, schemaCheck: { _ in .success([]) })
    guard let saga = kept.sagas.values.first(where: { $0.handler.scriptVersion == version }) else {
      return nil
    }
    let catalog = ProjectCatalog(
      scripts: kept.scripts, defaults: kept.defaults, definitions: kept.definitions, deciders: today.deciders,
      sagas: kept.sagas, upcasters: kept.upcasters, diagnostics: [], modules: kept.modules)
    do throws(WorkerStop) {
      return try SagaCode(saga, catalog: catalog, surroundings: surroundings)
    } catch { return nil }
  }

  func concerns(_ record: Record, in batch: RecordBatch) -> Bool {
    subscriptions.concerns(
      subscriptions.route(batch.bytes, record.envelope.type), version: record.envelope.version)
  }

  /// A state that tripped a budget is thrown away.
  func renewIfSpent() throws(WorkerStop) {
    guard program.state.isSpent else { return }
    do throws(LuaFault) { program = try SagaProgram(saga, catalog: catalog, host: host) } catch {
      throw .halt(FaultReport.loading(error, path: saga.handler.path, scripts: catalog.scripts))
    }
  }
}
