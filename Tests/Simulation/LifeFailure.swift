import MoontideCore
import MoontideHost
import MoontideSQLite

/// Why a process did not come up.
enum LifeFailure: Error {
  case log(LogError)
  case store(String, StoreOpeningError)
  case handler(Diagnostic)

  static func handler<Value>(_ body: () throws(Diagnostic) -> Value) throws(LifeFailure) -> Value {
    do throws(Diagnostic) { return try body() } catch { throw .handler(error) }
  }

  /// Whether it says that something is damaged, which no crash may cause.
  var saysDamage: Bool {
    switch self {
    case .log(.damaged), .log(.unsupportedFormat), .log(.sequenceGap): true
    case .store(_, .store(.damaged)), .store(_, .unsupportedFormat), .store(_, .schema): true
    case .handler(let problem):
      [HostCode.storeDamaged.code, HostCode.storeSwapped.code].contains(problem.code)
    default: false
    }
  }
}
