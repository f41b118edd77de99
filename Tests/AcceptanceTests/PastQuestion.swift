/// A question about a set of events, once as asked of its read model and once of its lines.
struct PastQuestion {
  /// Over the projection's tables.
  var asked: String
  /// Over `s`, the lines of the moment; see `LineFold`.
  var judged: String
  /// Tables for `judged`, made once.
  var prepared = ""

  static let sets: [String: (handlers: String, question: PastQuestion)] = [
    "orders": ("orders", orders), "retail": ("retail", retail), "flights-jan": ("timeline", timeline),
  ]

  static let orders = PastQuestion(
    asked: """
      select 'type', type, n from types
      union all select 'order', id, ifnull(placed_us / 1000, '-') || '/' || ifnull(paid_us / 1000, '-') || '/'
        || (confirmed_at is not null) || '/' || reminders || '/' || out_of_stock from orders
      union all select 'package', id,
        ifnull(size, '-') || '/' || failures || '/' || (delivered_at is not null) from packages
      union all select 'packed', order_id || ':' || package_id, 1 from packed
      union all select 'item', id, picks from items order by 1, 2
      """,
    judged: """
      select 'type', type, count(*) from s group by type
      union all select 'order', key,
        ifnull((select ms from s p where p.key = o.key and p.type = 'OrderPlaced'
          order by n desc limit 1), '-') || '/'
        || ifnull((select ms from s p where p.key = o.key and p.type = 'OrderPaid'
          order by n desc limit 1), '-')
        || '/' || max(type = 'OrderConfirmed') || '/' || sum(type = 'PaymentReminderSent')
        || '/' || sum(type = 'ItemWentOutOfStock')
        from s o where type in ('OrderPlaced', 'OrderConfirmed', 'OrderPaid', 'PaymentReminderSent',
          'ItemWentOutOfStock') group by key
      union all select 'package', key,
        ifnull((select json_array_length(line, '$.data.orders') from s p
          where p.key = o.key and p.type = 'PackageCreated' order by n desc limit 1), '-')
        || '/' || failures || '/' || exists (select 1 from s d
          where d.key = o.key and d.type = 'PackageDelivered' and d.n > o.first)
        from (select key, min(n) first, sum(type = 'DeliveryFailed') failures from s
          where type in ('PackageCreated', 'DeliveryFailed') group by key) o
      union all select distinct 'packed', value || ':' || s.key, 1 from s, json_each(line, '$.data.orders')
        where s.type = 'PackageCreated'
      union all select 'item', value, count(*) from s, json_each(line, '$.data.items')
        where s.type = 'ItemPicked' group by value order by 1, 2
      """)

  static let retail = PastQuestion(
    asked: """
      select 'type', type, events || '/' || lines || '/' || pieces || '/' || thousandths from types
      union all select 'customer', customer, thousandths || '/' || invoices || '/' || orders || '/'
        || cancellations || '/' || first_type from customers
      union all select 'month', month, thousandths from months
      union all select 'stock', stock, pieces from stock order by 1, 2
      """,
    judged: """
      create temp table l as select s.n, lines.stock, lines.quantity, lines.thousandths
        from s join lines on lines.n = s.n;
      create index temp.l_n on l(n);
      create temp table c as select n, count(*) lines, sum(quantity) pieces,
        sum(quantity * thousandths) value from l group by n;
      create unique index temp.c_n on c(n);
      create temp table v as select s.n, s.type, s.key, s.line, ifnull(lines, 0) lines,
        ifnull(pieces, 0) pieces, ifnull(value, 0) value from s left join c on c.n = s.n;
      create index temp.v_key on v(key, n);
      select 'type', type, count(*) || '/' || sum(lines) || '/' || sum(pieces) || '/' || sum(value) from v
        group by type
      union all select 'customer', key, sum(value) || '/' || sum(lines > 0)
        || '/' || sum(type = 'OrderPlaced') || '/' || sum(type = 'OrderCancelled') || '/'
        || (select type from v f where f.key = v.key order by n limit 1)
        from v where key not like 'invoice:%' group by key
      union all select 'month', substr(json_extract(line, '$.time'), 1, 7), sum(value) from v group by 2
      union all select 'stock', stock, sum(quantity) from l group by stock order by 1, 2
      """,
    prepared: """
      create table lines(n integer, stock text, quantity integer, thousandths integer);
      insert into lines select n, json_extract(value, '$.stock'), json_extract(value, '$.quantity'),
        cast(round(json_extract(value, '$.unitPrice') * 1000) as integer)
        from e, json_each(line, '$.data.lines');
      create index lines_n on lines(n);
      """)

  static let timeline = PastQuestion(
    asked: """
      select 'type', type, events from types
      union all select 'key', key, events || '/' || (latest_us / 1000) || '/' || behind from keys
      union all select 'all', '', events || '/' || behind || '/' || (worst_us / 1000) || '/'
        || (latest_us / 1000) || '/' || (first_us / 1000) from totals order by 1, 2
      """,
    judged: """
      create temp table b as select n, key, ms,
        max(ms) over (order by n rows between unbounded preceding and 1 preceding) top,
        max(ms) over (partition by key order by n rows between unbounded preceding and 1 preceding) keytop
        from s;
      select 'type', type, count(*) from s group by type
      union all select 'key', key, count(*) || '/' || max(ms) || '/' || sum(ifnull(ms < keytop, 0)) from b
        group by key
      union all select 'all', '', count(*) || '/' || sum(ifnull(ms < top, 0)) || '/'
        || max(ifnull(max(top - ms, 0), 0)) || '/' || max(ms) || '/' || min(ms) from b having count(*) > 0
        order by 1, 2
      """)
}
