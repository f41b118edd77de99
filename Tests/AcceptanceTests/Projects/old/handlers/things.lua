projection "things" {
  schema = [[ create table things(id text primary key, n integer, filler text); ]],
  on = { ["*"] = function(event, db)
    db.things:add(event.key, { n = 1 })
    db.things:put { id = event.key, filler = string.rep(event.id, 20) }
  end },
}

consumer "echo" {
  from = "start",
  on = { Thing = function(event, ctx)
    ctx.state.n = (ctx.state.n or 0) + 1
    ctx.emit { type = "Echoed", data = { n = ctx.state.n } }
  end },
}

projection "echoes" {
  schema = [[ create table echoes(id text primary key, n integer); ]],
  on = { Echoed = function(event, db) db.echoes:add(event.key, { n = 1 }) end },
}
