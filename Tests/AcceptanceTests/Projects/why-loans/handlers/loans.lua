-- Applications for loans, and who worked on them.
projection "applications" {
  schema = [[
    create table applications(id text primary key, status text not null, requested integer, steps integer not null,
      first_at text, last_at text);
    create table work(resource text, activity text, done integer not null, first_id text,
      primary key(resource, activity));
    create table open_work(application text, activity text, resource text, primary key(application, activity));
  ]],
  on = {
    ["Application*"] = function(event, db)
      local known = db.applications:get(event.key)
      if not known then
        db.applications:put { id = event.key, status = "new", steps = 0, first_at = event.time,
                              requested = event.data.amountRequested }
      end
      db.applications:add(event.key, { steps = 1 })
      db.applications:update(event.key, { status = event.type:sub(12):lower(), last_at = event.time })
    end,
    ["*"] = function(event, db)
      local data = event.data
      if not data.activity then return end
      local who = data.resource or "nobody"
      if data.lifecycle == "START" then
        db.open_work:put { application = event.key, activity = data.activity, resource = who }
      elseif data.lifecycle == "COMPLETE" then
        db.open_work:delete { event.key, data.activity }
        if not db.work:get { who, data.activity } then
          db.work:put { resource = who, activity = data.activity, done = 0, first_id = event.id }
        end
        db.work:add({ who, data.activity }, { done = 1 })
      end
    end,
  },
}
