/// The projection of the order workload: the same two tables as the opponent's.
enum Handler {
  static func projection(_ name: String) -> String {
    """
    projection "\(name)" {
      schema = [[
        create table order_status(order_id text primary key, status text, total int, updated text) without rowid;
        create table revenue(user_id text primary key, total int) without rowid;
      ]],
      on = {
        OrderPlaced = function(event, db)
          local data = event.data
          db.order_status:put { order_id = data.order_id, status = event.type, total = data.total, updated = event.time }
          db.revenue:add(data.user.id, { total = data.total })
        end,
        ["*"] = function(event, db)
          local data = event.data
          db.order_status:put { order_id = data.order_id, status = event.type, total = data.total, updated = event.time }
        end,
      },
    }
    """
  }
}
