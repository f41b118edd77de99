public import MoontideCore
import MoontideJSON
public import MoontideLua

/// Runs lines of Lua that a person types, with a project's handlers as functions. What they would write is
/// told, and written nowhere. Owned by one thread, whose stack is at least 2 MiB.
public final class HandlerDesk {
  let catalog: ProjectCatalog
  let services: any DeskServices
  let clock: any WallClock
  let randomness: any Randomness
  /// Why the last call of a function failed.
  var fault: Diagnostic?
  let functions: [DeskFunction]
  var programs: [String: (program: HandlerProgram, host: HandlerHost)] = [:]
  var deciders: [String: DeciderProgram] = [:]
  var viewers: [String: EventViewer] = [:]
  /// Of deciders; their states do not keep them alive.
  var hosts: [DeciderHost] = []
  var timeLeftOfCall = Limits.handlerTimeDefault
  private var state: LuaState?

  public init(
    catalog: ProjectCatalog, services: any DeskServices, clock: any WallClock, randomness: any Randomness
  ) {
    self.catalog = catalog
    self.services = services
    self.clock = clock
    self.randomness = randomness
    functions = DeskFunction.all(of: catalog)
  }

  /// What a line may call: paths such as `order_status.OrderPlaced`.
  public var names: [String] { functions.map { $0.path.joined(separator: ".") } }

  /// What became of a line.
  public enum Outcome {
    case values([LuaValue])
    /// It is not whole: more lines are needed.
    case unfinished
  }

  /// Runs a line.
  /// - Parameters:
  ///   - last: becomes `_` before, as `StateWriter` writes it; nil: it stays.
  ///   - time: how long the line may take; what handlers do in it has their own budget.
  /// - Throws: what is wrong with it, with its place; that its variables are gone, when it used up the
  ///   memory.
  public func run(
    _ line: String, isExpression: Bool, last: [UInt8]?, time: Duration
  ) throws(Diagnostic) -> Outcome {
    fault = nil
    do throws(LuaFault) {
      let state = try opened()
      return .values(
        try state.runDesk(
          Array(line.utf8), isExpression: isExpression, last: last, now: clock.now, time: time))
    } catch {
      if error.kind == .syntax, error.message.hasSuffix("near <eof>") { return .unfinished }
      throw told(error, line)
    }
  }

  private func opened() throws(LuaFault) -> LuaState {
    if let state { return state }
    let budget = LuaBudget(
      instructions: .max / 2, time: Limits.queryTimeDefault,
      memoryBytes: max(Limits.replMemoryBytes, catalog.defaults.budget.memoryBytes))
    let made = try LuaState(budget: budget, modules: catalog.scripts.modules, isDesk: true)
    unsafe made.host = self
    try made.openDesk()
    for (index, function) in functions.enumerated() { try made.define(index, as: function.path) }
    state = made
    return made
  }

  /// A fault of a line, or of the handler that it called.
  private func told(_ error: LuaFault, _ line: String) -> Diagnostic {
    var diagnostic: Diagnostic
    if case .refused = error.kind, let fault, error.message.hasSuffix(fault.title) {
      diagnostic = fault
    } else {
      var place: SourcePlace?
      if error.path == "line" {
        place = Self.place(error, line)
      } else if let path = error.path {
        place = catalog.scripts.place(path: path, line: error.line ?? 1, blaming: error.blamed)
      }
      diagnostic = Diagnostic(code: RuntimeCode.text(of: error.kind), error.message, at: place)
      if let help = help(error) { diagnostic.details.append(.init("help", help)) }
    }
    if state?.recoverDesk() != true {
      state = nil
      diagnostic.details.append(.init("state", "Lua begins anew: its variables are gone"))
    }
    return diagnostic
  }

  /// The line of the text, pointing at what is blamed.
  private static func place(_ error: LuaFault, _ line: String) -> SourcePlace {
    let number = max(1, error.line ?? 1)
    let lines = line.split(separator: "\n", omittingEmptySubsequences: false)
    let text = number <= lines.count ? String(lines[number - 1]) : ""
    var place = SourcePlace(file: "lua", line: number, excerpt: text)
    if let blamed = error.blamed, let column = Self.column(of: blamed, in: text) {
      place.column = column
      place.width = blamed.count
    }
    return place
  }

  private static func column(of word: String, in text: String) -> Int? {
    let characters = Array(text)
    let wanted = Array(word)
    guard !wanted.isEmpty, characters.count >= wanted.count else { return nil }
    return (0...characters.count - wanted.count).first { Array(characters[$0..<$0 + wanted.count]) == wanted }
      .map { $0 + 1 }
  }

  /// What was probably meant by a global that is not there.
  private func help(_ error: LuaFault) -> String? {
    guard error.message.contains("nil value"), let blamed = error.blamed else { return nil }
    let known =
      functions.flatMap { $0.path.filter { !$0.hasPrefix("#") } } + DeskFunction.reserved.sorted()
    return Suggestion.nearest(to: blamed, among: known).map { "did you mean \($0)?" }
  }
}

extension HandlerDesk: LuaHost {
  public var timeLeft: Duration {
    get { timeLeftOfCall }
    set { timeLeftOfCall = newValue }
  }
  public var isInterrupted: Bool { services.isInterrupted }

  public func desk(
    _ function: Int, _ arguments: RowBuffer, result: RowBuffer
  ) throws(HostRefusal) {
    do throws(Diagnostic) {
      var values: [JSONValue?] = []
      for cell in arguments.cells { values.append(try Self.value(arguments, cell)) }
      result.bytes = try call(functions[function].call, values)
    } catch {
      fault = error
      throw HostRefusal(code: error.code, message: error.title)
    }
  }

  private static func value(_ arguments: RowBuffer, _ cell: Cell) throws(Diagnostic) -> JSONValue? {
    guard cell.kind == .text else { return nil }
    do throws(EnvelopeFault) { return try JSONValue(parsing: arguments.bytes, cell.part) } catch {
      throw DeskEvent.wrong(error.reason)
    }
  }

  public func print(_ text: [UInt8]) { services.print(String(decoding: text, as: UTF8.self)) }
  public func missing(field: [UInt8], type: [UInt8]) {}

  private var refusal: HostRefusal {
    HostRefusal(
      code: RuntimeCode.storeRefused.rawValue,
      message: "a line of the REPL has no db and no ctx: query asks the read models")
  }
  public func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(HostRefusal) -> Bool { throw refusal }
  public func sql(
    _ text: String, arguments: RowBuffer, result: RowBuffer
  ) throws(HostRefusal) -> [String] { throw refusal }
  public func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool { throw refusal }
  public func saveState(_ value: [UInt8]?) throws(HostRefusal) { throw refusal }
  public func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal) { throw refusal }
  public func send(_ command: RowBuffer, result: RowBuffer) throws(HostRefusal) { throw refusal }
}
