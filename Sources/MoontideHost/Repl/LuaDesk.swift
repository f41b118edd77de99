public import MoontideCore
import MoontideLog
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// The Lua of a REPL: lines in the project's sandbox, with its handlers as functions. They read the project
/// as it is and write nowhere. Scripts are loaded anew when their files have changed. One thread, with a
/// stack of 2 MiB or more.
public final class LuaDesk {
  /// What became of a line.
  public enum Outcome: Equatable {
    case values([DeskText])
    /// It is not whole: more lines are needed.
    case unfinished
  }

  private let paths: ProjectPaths
  private let services: ProjectServices
  private var desk: HandlerDesk?
  private var version: Digest?

  /// - Parameters:
  ///   - query: asks one statement, bounded, for `query "…"`.
  ///   - print: takes a line of `print`.
  public init(
    _ paths: ProjectPaths, cancellation: QueryCancellation,
    query: @escaping (String) throws(Diagnostic) -> KeptRows, print: @escaping (String) -> Void
  ) {
    self.paths = paths
    services = ProjectServices(paths, cancellation: cancellation, query: query, print: print)
  }

  /// What lines may call: paths such as `order_status.OrderPlaced`. Of scripts that do not load, none.
  public func names() throws(Diagnostic) -> [String] { try opened().names }

  /// Types of events that handlers of the project name.
  public func types() throws(Diagnostic) -> [String] {
    let catalog = try LoadedScripts.load(paths, files: SystemSurroundings.files).catalog
    let named = catalog.definitions.flatMap(\.subscriptions) + catalog.deciders.flatMap(\.evolves)
    return Set(named.filter { !$0.contains("*") }).sorted()
  }

  /// Runs a line.
  /// - Parameters:
  ///   - last: becomes `_` before; nil: it stays as it is.
  ///   - time: how long the line may take.
  public func run(
    _ line: String, isExpression: Bool, last: KeptRows?, time: Duration
  ) throws(Diagnostic) -> Outcome {
    let desk = try opened()
    services.forgetLog()
    let rows = last.map { HandlerDesk.list($0.columns, $0.cells) }
    switch try desk.run(line, isExpression: isExpression, last: rows, time: time) {
    case .unfinished: return .unfinished
    case .values(let values): return .values(values.map { DeskText($0) })
    }
  }

  /// The desk of the scripts as they are now. An edited one begins with no variables.
  private func opened() throws(Diagnostic) -> HandlerDesk {
    let files = try ScriptFiles.read(paths, files: SystemSurroundings.files)
    var version = Digest.zero
    for script in files.handlers + files.modules.sorted(by: { $0.key < $1.key }).map(\.value) {
      version = version.adding(script.path).adding(script.text)
    }
    if let desk, version == self.version { return desk }
    let scripts = try LoadedScripts.load(paths, files: SystemSurroundings.files)
    if desk != nil { services.print("note: the scripts have changed: Lua begins anew") }
    for problem in scripts.problems where problem.severity == .error {
      services.print("note: \(problem.title) (moontide check)")
    }
    services.catalog = scripts.catalog
    let made = HandlerDesk(
      catalog: scripts.catalog, services: services, clock: SystemSurroundings.clock,
      randomness: SystemSurroundings.randomness)
    desk = made
    self.version = version
    return made
  }
}
