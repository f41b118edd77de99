import MoontideRuntime
import Testing

@testable import MoontideHost

@Suite struct FormerNamesTests {
  private func takeover(_ changes: [(ReloadPlan.Change, String, String?)]) -> TakeoverRecord {
    TakeoverRecord(
      definitions: changes.map { change, name, was in
        .init(ScriptOutline.Entry(kind: .projection, name: name, version: "v", was: was), change)
      }, files: [])
  }

  @Test func `a name leads to the last one, and a name that is in use again to none`() {
    var takeovers = [
      takeover([(.added, "a", nil), (.added, "x", nil)]),
      takeover([(.renamed, "b", "a"), (.same, "x", nil)]),
      takeover([(.renamed, "c", "b"), (.changed, "x", "w")]),
    ]
    let names = FormerNames(.projection, takeovers)
    #expect(names.newest(of: "a") == "c" && names.newest(of: "b") == "c")
    #expect(names.newest(of: "c") == nil && names.newest(of: "x") == nil && names.newest(of: "w") == nil)
    #expect(FormerNames(.consumer, takeovers).newest(of: "a") == nil)
    takeovers.append(takeover([(.same, "c", "b"), (.added, "a", nil)]))
    #expect(FormerNames(.projection, takeovers).newest(of: "a") == nil)
    #expect(FormerNames(.projection, takeovers).newest(of: "b") == "c")
    takeovers.append(takeover([(.renamed, "b", "c")]))
    #expect(FormerNames(.projection, takeovers).newest(of: "c") == "b")
    #expect(FormerNames(.projection, takeovers).newest(of: "b") == nil)
  }
}
