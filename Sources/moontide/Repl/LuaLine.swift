import MoontideCore
import MoontideHost

/// Lines of Lua.
final class LuaLine {
  static let names: [String] = []
  private unowned let session: ReplSession
  init(_ session: ReplSession) { self.session = session }
  func handlers() throws(Diagnostic) -> [(String, [String])] { [] }
  func types() throws(Diagnostic) -> [String] { [] }
  func run(_ input: StatementSplitter.Input, isLast: Bool) throws -> Bool {
    throw Diagnostic(code: CommandCode.replInput.code, "Lua is not there yet")
  }
}
