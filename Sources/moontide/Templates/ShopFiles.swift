// swift-format-ignore-file: the lines are those of the files.

/// The template `shop` without its events. Byte for byte what examples/ holds (a test compares
/// them), so that a new project is one that CI runs.
enum ShopFiles {
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
      # A small shop

      Five days of orders, payments and shipments.

          moontide run . --once
          moontide query . "select status, count(*) from orders group by status"

      | file | what it shows |
      | --- | --- |
      | `handlers/order_status.lua` | a read model over three topics, in whatever order they come |
      | `handlers/revenue.lua` | sums in whole cents, a key of two columns |
      | `handlers/order_search.lua` | full-text search (FTS5) |
      | `handlers/receipts.lua` | a consumer that emits one event per payment, exactly once, with state per key |
      | `handlers/order_placed.lua` | an upcaster: old orders carry `total`, new ones `total_cents` |
      | `lib/money.lua` | a pure module that handlers and upcasters share |
      | `queries/*.sql` | questions to the read models; the first line is the title |

      Two lines of `events/payments` repeat earlier ones, as payment providers do: they change nothing.

      ## As it was

          moontide query . "select status, count(*) from orders group by status" --as-of 2026-03-03
          moontide query . "select status, count(*) from orders group by status" --as-known '#30'

      The first asks what had happened by the end of that day (late events included), the second what the log held
      up to position 30; both together ask what of the first was known then. Whole read models can be asked, search
      and joins included: they are folded from the log into `.moontide/as-of`, which may be deleted.

      """#),
    .init(
      "handlers/order_placed.lua",
      #"""
      local money = require "lib.money"

      -- Until March 3 orders carried their total as a decimal number. Handlers see version 2 only.
      upcaster "OrderPlaced" {
        [1] = function(data)
          data.total_cents = money.cents(data.total)
          data.total = nil
          return data
        end,
      }

      """#),
    .init(
      "handlers/order_search.lua",
      #"""
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

      """#),
    .init(
      "handlers/order_status.lua",
      #"""
      -- Where every order stands. Orders, payments and shipments are topics of their own, and events of
      -- different topics may come in any order; so each writes its own columns, and the status follows from
      -- all of them.
      local function sets(column, value)
        return function(event, db) db.orders:put { order_id = event.key, [column] = value } end
      end

      projection "order_status" {
        schema = [[
          create table orders(
            order_id text primary key, customer text, total_cents integer, placed_at text,
            cancelled integer not null default 0, payment text, shipment text,
            status text generated always as (case
              when cancelled then 'cancelled'
              when shipment is not null then shipment
              when payment is not null then payment
              else 'placed' end) virtual
          );
          create index orders_by_customer on orders(customer);
        ]],
        on = {
          OrderPlaced = function(event, db)
            db.orders:put {
              order_id = event.key, customer = event.data.customer, total_cents = event.data.total_cents,
              placed_at = event.time,
            }
          end,
          OrderCancelled = function(event, db) db.orders:put { order_id = event.key, cancelled = 1 } end,

          PaymentCompleted = sets("payment", "paid"),
          PaymentFailed = sets("payment", "payment failed"),
          PaymentRefunded = sets("payment", "refunded"),

          OrderShipped = sets("shipment", "shipped"),
          OrderDelivered = sets("shipment", "delivered"),
        },
      }

      """#),
    .init(
      "handlers/receipts.lua",
      #"""
      local money = require "lib.money"

      -- Asks for a receipt for every completed payment: one event each, however often the runtime is killed.
      -- `ctx.state` is durable and belongs to the event's key, here the order: an order whose first payment
      -- failed and was repeated gets receipt number 1 all the same.
      consumer "receipts" {
        from = "start",
        on = {
          PaymentCompleted = function(event, ctx)
            ctx.state.receipts = (ctx.state.receipts or 0) + 1
            ctx.emit(events.ReceiptRequested({
              customer = event.data.customer,
              number = ctx.state.receipts,
              text = "You paid " .. money.text(event.data.amount_cents) .. " EUR for order " .. event.key,
            }, { topic = "receipts" }))
          end,
        },
      }

      """#),
    .init(
      "handlers/revenue.lua",
      #"""
      -- What each customer paid on each day (UTC), in cents; refunds count on the day they are made.
      local function add(event, db, payments, amount_cents)
        local day = event.time:sub(1, 10)
        db.by_day:add({ event.data.customer, day }, { payments = payments, amount_cents = amount_cents })
      end

      projection "revenue" {
        schema = [[
          create table by_day(
            customer text, day text, payments integer not null default 0, amount_cents integer not null default 0,
            primary key(customer, day)
          );
        ]],
        on = {
          PaymentCompleted = function(event, db) add(event, db, 1, event.data.amount_cents) end,
          PaymentRefunded = function(event, db) add(event, db, 0, -event.data.amount_cents) end,
        },
      }

      """#),
    .init(
      "lib/money.lua",
      #"""
      -- Money is whole cents everywhere. Floats appear at the border only: in events of old, and in texts.
      local money = {}

      -- 19.99 → 1999; rounds half up, since 19.99 * 100 is 1998.9999999999998.
      function money.cents(amount)
        return math.floor(amount * 100 + 0.5)
      end

      -- 1999 → "19.99"
      function money.text(cents)
        local sign = cents < 0 and "-" or ""
        local whole = math.abs(cents)
        return string.format("%s%d.%02d", sign, whole // 100, whole % 100)
      end

      return money

      """#),
    .init(
      "queries/customers.sql",
      #"""
      -- The best customers
      select customer, sum(payments) as payments, sum(amount_cents) as amount_cents
      from revenue.by_day group by customer order by amount_cents desc, customer limit 5;

      """#),
    .init(
      "queries/receipts.sql",
      #"""
      -- Receipts that were asked for
      select key as order_id, json_extract(data, '$.customer') as customer, json_extract(data, '$.text') as text
      from sys.events where type = 'ReceiptRequested' order by key;

      """#),
    .init(
      "queries/revenue.sql",
      #"""
      -- Revenue per day
      select day, sum(payments) as payments, sum(amount_cents) as amount_cents
      from revenue.by_day group by day order by day;

      """#),
    .init(
      "queries/search.sql",
      #"""
      -- Gifts among the orders
      select order_id, customer, items, note
      from order_search.texts where texts match 'gift OR birthday' order by order_id;

      """#),
    .init(
      "queries/status.sql",
      #"""
      -- Orders by status
      select status, count(*) as orders, sum(total_cents) as total_cents
      from order_status.orders group by status order by status;

      """#),
    .init(
      "queries/status_then.sql",
      #"""
      -- Orders by status as they were at the end of 3 March
      -- ask with: --as-of 2026-03-03
      select status, count(*) as orders, sum(total_cents) as total_cents
      from order_status.orders group by status order by status;

      """#),
    .init(
      "queries/unpaid.sql",
      #"""
      -- Orders that wait for their money
      select order_id, customer, total_cents, placed_at
      from order_status.orders where status in ('placed', 'payment failed') order by placed_at;

      """#),
  ]
}
