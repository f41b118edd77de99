-- Everything that truth.json of the retail set asks, with money in thousandths of a pound.

local function thousandths(price)
  local exact = price * 1000
  return exact >= 0 and math.floor(exact + 0.5) or math.ceil(exact - 0.5)
end

projection "sales" {
  schema = [[
    create table types(type text primary key, events integer, lines integer, pieces integer, thousandths integer);
    create table countries(country text primary key, thousandths integer, invoices integer);
    create table customers(customer text primary key, thousandths integer, invoices integer,
      orders integer, cancellations integer, first_type text);
    create table anonymous(key text primary key);
    create table stock(stock text primary key, pieces integer);
    create table months(month text primary key, thousandths integer);
  ]],
  on = {
    ["*"] = function(event, db)
      local data = event.data
      local pieces, value, lines = 0, 0, 0
      for _, line in ipairs(data.lines) do
        lines = lines + 1
        pieces = pieces + line.quantity
        value = value + line.quantity * thousandths(line.unitPrice)
        db.stock:add(line.stock, { pieces = line.quantity })
      end
      local invoices = lines > 0 and 1 or 0
      db.types:add(event.type, { events = 1, lines = lines, pieces = pieces, thousandths = value })
      db.countries:add(data.country, { thousandths = value, invoices = invoices })
      db.months:add(event.time:sub(1, 7), { thousandths = value })
      if event.key:sub(1, 8) == "invoice:" then
        db.anonymous:put { key = event.key }
      else
        if not db.customers:get(event.key) then
          db.customers:put { customer = event.key, first_type = event.type }
        end
        db.customers:add(event.key, {
          thousandths = value, invoices = invoices,
          orders = event.type == "OrderPlaced" and 1 or 0,
          cancellations = event.type == "OrderCancelled" and 1 or 0,
        })
      end
    end,
  },
}
