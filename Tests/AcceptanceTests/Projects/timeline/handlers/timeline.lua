-- What facts.json says of any set of events: types, keys, and how far out of order the times come.

projection "timeline" {
  schema = [[
    create table types(type text primary key, events integer);
    create table keys(key text primary key, events integer, latest_us integer, behind integer);
    create table totals(one integer primary key, events integer, behind integer, worst_us integer,
      same_as_before integer, latest_us integer, last_us integer, first_us integer,
      first_time text, latest_time text);
  ]],
  on = {
    ["*"] = function(event, db)
      local now = moontide.time(event.time)
      db.types:add(event.type, { events = 1 })
      local key = db.keys:get(event.key) or { latest_us = now, behind = 0 }
      db.keys:add(event.key, { events = 1 })
      db.keys:put {
        key = event.key, latest_us = math.max(now, key.latest_us),
        behind = key.behind + (now < key.latest_us and 1 or 0),
      }
      local total = db.totals:get(1)
        or { events = 0, behind = 0, worst_us = 0, same_as_before = 0, latest_us = now, first_us = now,
             first_time = event.time, latest_time = event.time }
      local late = now < total.latest_us
      db.totals:put {
        one = 1, events = total.events + 1, behind = total.behind + (late and 1 or 0),
        worst_us = math.max(total.worst_us, total.latest_us - now),
        same_as_before = total.same_as_before + (now == total.last_us and 1 or 0),
        last_us = now, latest_us = math.max(now, total.latest_us), first_us = math.min(now, total.first_us),
        first_time = now < total.first_us and event.time or total.first_time,
        latest_time = now > total.latest_us and event.time or total.latest_time,
      }
    end,
  },
}
