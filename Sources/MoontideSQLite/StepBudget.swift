import CSQLite
import MoontideCore

/// Stops a script's statement that would not end, after `Limits.statementStepsMax` steps of SQLite's machine.
///
/// A stopped select leaves the transaction as it was. SQLite rolls all of it back when it stops a statement
/// that writes.
final class StepBudget {
  private static let stepsBetweenLooks = 1_000_000

  private let connection: Connection
  private var looks = 0

  /// Set on the connection until `end`.
  init(_ connection: Connection) {
    self.connection = connection
    sqlite3_progress_handler(
      connection.handle, Int32(StepBudget.stepsBetweenLooks),
      { context in
        guard let context else { return 0 }
        return Unmanaged<StepBudget>.fromOpaque(context).takeUnretainedValue().look() ? 1 : 0
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  func end() { sqlite3_progress_handler(connection.handle, 0, nil, nil) }

  /// True to stop.
  private func look() -> Bool {
    looks += 1
    guard looks * StepBudget.stepsBetweenLooks >= Limits.statementStepsMax else { return false }
    connection.authorizer.refuse("the statement took more than \(Limits.statementStepsMax) steps")
    return true
  }
}
