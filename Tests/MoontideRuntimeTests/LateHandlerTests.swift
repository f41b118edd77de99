import MoontideCore
import Testing

@testable import MoontideRuntime

private let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) "

/// Events whose time is over amid SQL or amid one instruction of Lua.
struct LateHandlerTests {
  private func script(_ work: String) -> String {
    """
    projection "late" { schema = "create table t(id text primary key, n integer)", on = {
      A = function(event, db)
        db.t:put { id = event.key, n = 1 }
        if event.data.bad then \(work) end
      end } }
    """
  }

  @Test(arguments: [
    // SQLite takes the whole transaction back when such a statement is stopped.
    #"db:exec("\#(endless)insert into t select i, i from n where i < 0")"#,
    #"pcall(db.exec, db, "\#(endless)insert into t select i, i from n where i < 0") db.t:put { id = "x" }"#,
    #"db:query("\#(endless)select count(*) from n")"#,
    "local t = {} for i = 1, 1e9 do t[1 + i * 2 ^ -50] = true end",
  ])
  func `a late event is set aside alone, wherever it stands in its batch`(work: String) throws {
    let project = try TestProject(["handlers/late.lua": script(work)], time: .milliseconds(50))
    for key in ["a", "b"] { try project.publish("A", key: key) }
    for key in ["bad-1", "bad-2"] { try project.publish("A", key: key, data: #"{"bad":true}"#) }
    for key in ["c", "d"] { try project.publish("A", key: key) }
    let rig = try HandlerRig(project, "late")
    try rig.run()
    #expect(try rig.rows("select id from t order by 1") == ["a", "b", "c", "d"])
    #expect(rig.status.applied == 4 && rig.status.dead == 2)
    #expect(project.told.codes == ["E0303", "E0303"])
    #expect(try rig.stores[0].ledger().applied == 4)
  }
}
