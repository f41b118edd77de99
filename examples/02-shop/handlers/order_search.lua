-- Full-text search over what customers wrote and bought. The order's id is the key of the FTS5 table:
-- its first UNINDEXED column.
projection "order_search" {
  schema = [[
    create virtual table texts using fts5(order_id unindexed, customer, items, note);
  ]],
  on = {
    OrderPlaced = function(event, db)
      local names = {}
      for _, item in ipairs(event.data.items) do names[#names + 1] = item.name end
      db.texts:put {
        order_id = event.key, customer = event.data.customer, items = table.concat(names, ", "),
        note = event.data.note or "",
      }
    end,
    OrderCancelled = function(event, db) db.texts:delete(event.key) end,
  },
}
