import CSQLite
import MoontideCore

/// SQLite's functions that take as long as the product of two lengths, within one call that nothing
/// interrupts: with a bound on that product. What is not searched by code of ours is computed by SQLite's own
/// functions, on a private connection.
final class BoundedFunctions {
  private let connection: Connection
  private let name: String
  private let productMax: Int

  private init(_ name: String, _ productMax: Int, _ connection: Connection) {
    self.connection = connection
    self.name = name
    self.productMax = productMax
  }

  /// The bound as C reads it; lives as long as the process.
  nonisolated(unsafe) private static let patternWork: UnsafePointer<Int64> = {
    let bound = UnsafeMutablePointer<Int64>.allocate(capacity: 1)
    bound.initialize(to: Limits.patternWorkMax)
    return UnsafePointer(bound)
  }()

  /// Puts them in the place of SQLite's on a connection, which keeps them until it is closed.
  static func install(on target: Connection) {
    let code = mt_text_functions(target.handle, patternWork)
    precondition(code == SQLITE_OK, "SQLite refused the functions on texts with code \(code)")
    let plain: Connection
    do { plain = try Connection("functions", .memory) } catch {
      preconditionFailure("SQLite cannot open a private connection in memory: \(error)")
    }
    let most = Int(Limits.patternWorkMax)
    for name in ["trim", "ltrim", "rtrim"] { BoundedFunctions(name, most, plain).install(on: target.handle) }
    // It compares names with names, of which a text has far fewer than bytes.
    BoundedFunctions("json_patch", most * 1_024, plain).install(on: target.handle)
  }

  private func install(on handle: OpaquePointer) {
    let code = sqlite3_create_function_v2(
      handle, name, 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
      Unmanaged.passRetained(self).toOpaque(),
      { context, _, values in
        guard let context, let values, let user = sqlite3_user_data(context) else { return }
        Unmanaged<BoundedFunctions>.fromOpaque(user).takeUnretainedValue().call(context, values)
      }, nil, nil, { user in if let user { Unmanaged<BoundedFunctions>.fromOpaque(user).release() } })
    precondition(code == SQLITE_OK, "SQLite refused the function \(name) with code \(code)")
  }

  private func call(_ context: OpaquePointer, _ values: UnsafeMutablePointer<OpaquePointer?>) {
    let product = Int(sqlite3_value_bytes(values[0])) * Int(sqlite3_value_bytes(values[1]))
    guard product <= productMax else {
      return sqlite3_result_error(context, "\(name)() of texts as long as these takes too long", -1)
    }
    do {
      let statement = try connection.statement("select \(name)(?1, ?2)")
      sqlite3_bind_value(statement.handle, 1, values[0])
      sqlite3_bind_value(statement.handle, 2, values[1])
      if try statement.step() { sqlite3_result_value(context, sqlite3_column_value(statement.handle, 0)) }
      statement.reset()
    } catch {
      sqlite3_result_error(context, error.text, -1)
    }
  }
}
