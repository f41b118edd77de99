/// The projection of the order workload: the same two tables as the opponent's.
enum Handler {
  /// Handlers that fail on an event that is marked bad.
  static let poisoned = """
    consumer "consumer" { from = "start", on = { OrderPlaced = function(event, ctx)
      local data = event.data
      if data.bad then error("poison") end
      ctx.state.count = (ctx.state.count or 0) + 1
      ctx.state.total = (ctx.state.total or 0) + data.total
    end } }
    projection "projection" {
      schema = "create table orders(k text primary key, count integer, total integer) without rowid",
      on = { OrderPlaced = function(event, db)
        local data = event.data
        db.orders:add(event.key, { count = 1, total = data.total })
        if data.bad then error("poison") end
      end },
    }
    """

  static func projection(_ name: String) -> String {
    """
    projection "\(name)" {
      schema = [[
        create table order_status(order_id text primary key, status text, total int, updated text)
          without rowid;
        create table revenue(user_id text primary key, total int) without rowid;
      ]],
      on = {
        OrderPlaced = function(event, db)
          local data = event.data
          db.order_status:put {
            order_id = data.order_id, status = event.type, total = data.total, updated = event.time,
          }
          db.revenue:add(data.user.id, { total = data.total })
        end,
        ["*"] = function(event, db)
          local data = event.data
          db.order_status:put {
            order_id = data.order_id, status = event.type, total = data.total, updated = event.time,
          }
        end,
      },
    }
    """
  }
}
