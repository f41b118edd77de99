import MoontideHost

/// What editors know of the handlers' world: `.moontide/stubs/moontide.lua`, to which `.luarc.json` points.
enum LuaStubs {
  static let file = ProjectTemplate.File(".moontide/stubs/moontide.lua", ScriptManual.stubs)
}
