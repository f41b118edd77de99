import CSQLite
import MoontideCore

/// SQLite's date functions without their clock: "now", no argument at all, and the machine's time zone are
/// refused. What remains is computed by SQLite's own functions, on a private connection.
final class DateFunctions {
  private let connection: Connection

  private static let names = ["date", "time", "datetime", "julianday", "strftime", "unixepoch"]

  private init(_ connection: Connection) { self.connection = connection }

  /// Puts them in the place of SQLite's on a connection, which keeps them until it is closed.
  static func install(on target: Connection) {
    let plain: Connection
    do { plain = try Connection("dates", .memory) } catch {
      preconditionFailure("SQLite cannot open a private connection in memory: \(error)")
    }
    let functions = DateFunctions(plain)
    for name in names {
      let context = Unmanaged.passRetained(NamedFunction(name, functions)).toOpaque()
      let code = sqlite3_create_function_v2(
        target.handle, name, -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, context,
        { context, count, values in
          guard let context, let user = sqlite3_user_data(context) else { return }
          let function = Unmanaged<NamedFunction>.fromOpaque(user).takeUnretainedValue()
          function.dates.call(function.name, context, Int(count), values)
        }, nil, nil, { context in if let context { Unmanaged<NamedFunction>.fromOpaque(context).release() } })
      precondition(code == SQLITE_OK, "SQLite refused the function \(name) with code \(code)")
    }
  }

  private final class NamedFunction {
    let name: String
    let dates: DateFunctions
    init(_ name: String, _ dates: DateFunctions) {
      self.name = name
      self.dates = dates
    }
  }

  private func call(
    _ name: String, _ context: OpaquePointer, _ count: Int, _ values: UnsafeMutablePointer<OpaquePointer?>?
  ) {
    let timeArgument = name == "strftime" ? 1 : 0
    func refuse(_ text: String) { sqlite3_result_error(context, text, -1) }
    guard count > timeArgument, count <= Limits.dateArgumentsMax, let values else {
      return refuse("\(name)() without a time reads the clock; give it the event's time")
    }
    for index in timeArgument..<count {
      guard let text = sqlite3_value_text(values[index]) else { continue }
      let word = String(cString: text).lowercased()
      if word == "now" { return refuse("\(name)('now') reads the clock; give it the event's time") }
      if word == "localtime" || word == "utc" {
        return refuse("'\(word)' depends on the machine's time zone; a projection must be deterministic")
      }
    }
    do {
      let parameters = (1...count).map { "?\($0)" }.joined(separator: ", ")
      let statement = try connection.statement("select \(name)(\(parameters))")
      for index in 0..<count { sqlite3_bind_value(statement.handle, Int32(index + 1), values[index]) }
      if try statement.step() { sqlite3_result_value(context, sqlite3_column_value(statement.handle, 0)) }
      statement.reset()
    } catch {
      refuse("\(name): \(error)")
    }
  }
}
