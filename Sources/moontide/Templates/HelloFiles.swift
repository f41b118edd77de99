// swift-format-ignore-file: the lines are those of the files.

/// The template `hello`. Byte for byte what examples/ holds (a test compares
/// them), so that a new project is one that CI runs.
enum HelloFiles {
  static let files: [ProjectTemplate.File] = [
    .init(
      ".gitignore",
      #"""
      # What the runtime keeps: back up data/, delete .moontide/ as you like.
      data/
      .moontide/

      """#),
    .init(
      ".luarc.json",
      #"""
      {
        "runtime.version": "Lua 5.4",
        "workspace.library": [".moontide/stubs"],
        "workspace.checkThirdParty": false,
        "runtime.builtin": {
          "coroutine": "disable",
          "debug": "disable",
          "io": "disable",
          "package": "disable"
        }
      }

      """#),
    .init(
      "README.md",
      #"""
      # Hello

      Five lines of events, one projection.

          moontide run . --once
          moontide query . "select * from people"

      Append another line to `events/greetings.jsonl` and run again: only the new line is handled.

      """#),
    .init(
      "events/greetings.jsonl",
      #"""
      {"id":"g-1","type":"PersonGreeted","key":"Ada","time":"2026-03-02T08:00:00Z","data":{"name":"Ada","language":"en"}}
      {"id":"g-2","type":"PersonGreeted","key":"Grace","time":"2026-03-02T08:05:00Z","data":{"name":"Grace","language":"en"}}
      {"id":"g-3","type":"PersonGreeted","key":"Lua","time":"2026-03-02T08:11:00Z","data":{"name":"Lua","language":"pt"}}
      {"id":"g-4","type":"PersonGreeted","key":"Ada","time":"2026-03-02T09:30:00Z","data":{"name":"Ada","language":"fr"}}
      {"id":"g-2","type":"PersonGreeted","key":"Grace","time":"2026-03-02T08:05:00Z","data":{"name":"Grace","language":"en"}}

      """#),
    .init(
      "handlers/greeted.lua",
      #"""
      -- Who was greeted, how often, and in which language last. The last line of the events repeats the
      -- second one: it has a known id, so it is dropped and Grace counts once.
      projection "greeted" {
        schema = [[
          create table people(name text primary key, times integer not null default 0, language text);
        ]],
        on = {
          PersonGreeted = function(event, db)
            db.people:add(event.key, { times = 1 })
            db.people:update(event.key, { language = event.data.language })
          end,
        },
      }

      """#),
    .init(
      "queries/people.sql",
      #"""
      -- Who was greeted
      select name, times, language from greeted.people order by times desc, name;

      """#),
  ]
}
