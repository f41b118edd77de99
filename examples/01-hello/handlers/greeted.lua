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
