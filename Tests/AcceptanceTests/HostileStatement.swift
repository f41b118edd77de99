/// A statement that does no good, and what it may come to. The read model that they are aimed at is
/// `HostileStatement.projection`.
struct HostileStatement: CustomStringConvertible, Sendable {
  enum Outcome: Sendable {
    /// An error at once: it is not allowed, or not SQL.
    case refused
    /// An error, at its deadline or at another bound.
    case ended
    /// It may give rows: it does no harm.
    case harmless
  }

  let sql: String
  let outcome: Outcome
  var description: String { "\(outcome): \(sql.prefix(100).replacing("\0", with: "␀"))" }

  init(_ outcome: Outcome, _ sql: String) {
    self.sql = sql
    self.outcome = outcome
  }

  static let projection = """
    projection "shop" {
      schema = [[
        create table orders(order_id text primary key, status text not null, total integer) strict;
        create index by_status on orders(status);
        create view open_orders as select * from orders where status = 'placed';
        create virtual table order_search using fts5(order_id unindexed, words);
      ]],
      on = {
        OrderPlaced = function(event, db)
          db.orders:put { order_id = event.key, status = "placed", total = event.data.total }
          db.order_search:put { order_id = event.key, words = event.data.words }
        end,
      },
    }
    """

  static let all =
    writing + pragmas + files + schemas + endless + large + patterns + search + shapes + several

  // MARK: Writing

  private static let writing = refused(
    """
    insert into orders values ('x', 'y', 1)
    update orders set total = 0
    delete from shop.orders
    replace into orders values ('o-1', 'gone', 0)
    with gone as (select 1) delete from orders
    with gone as (select 1) insert into orders select 'x', 'y', 1
    select 1 union select 2 returning *
    create table t(a)
    create temp table t(a)
    create table shop.t as select * from orders
    create view v as select 1
    create index i on orders(total)
    create trigger t after insert on orders begin delete from orders; end
    create temp trigger t after insert on shop.orders begin select 1; end
    drop table orders
    drop view open_orders
    alter table orders rename to gone
    alter table orders add column evil text
    reindex
    analyze
    vacuum
    begin
    begin exclusive
    commit
    rollback
    end
    savepoint a
    release a
    explain delete from orders
    explain query plan drop table orders
    """)

  // MARK: Pragmas, as statements and as functions

  private static let pragmas = refused(
    """
    pragma writable_schema = on
    pragma journal_mode = delete
    pragma shop.journal_mode = off
    pragma query_only = off
    pragma trusted_schema = on
    pragma temp_store_directory = '/tmp'
    pragma data_store_directory = '/tmp'
    pragma cache_size = 100000000
    pragma mmap_size = 1099511627776
    pragma hard_heap_limit = 1
    pragma threads = 8
    pragma user_version = 7
    pragma wal_checkpoint(truncate)
    pragma incremental_vacuum
    pragma integrity_check
    pragma optimize
    pragma cell_size_check = off
    pragma database_list
    pragma function_list
    pragma case_sensitive_like = on
    select * from pragma_database_list
    select * from pragma_table_info('orders')
    select * from pragma_integrity_check
    select * from pragma_wal_checkpoint
    select * from pragma_writable_schema
    explain pragma writable_schema = on
    """)

  // MARK: Other files, other code

  private static let files = refused(
    """
    attach 'stolen.sqlite' as stolen
    attach '/etc/passwd' as p
    attach ':memory:' as m
    attach 'file:stolen.sqlite?mode=rwc' as s
    detach shop
    detach sys
    vacuum into 'copy.sqlite'
    vacuum shop into 'copy.sqlite'
    select load_extension('evil.so')
    select load_extension('evil.so', 'entry')
    select readfile('/etc/passwd')
    select writefile('written', 'evil')
    select writefile('written', zeroblob(1000000000))
    select edit('text', 'vi')
    select fts3_tokenizer('simple')
    select fts3_tokenizer('simple', x'0000000000000000')
    select * from fsdir('/')
    select * from zipfile('a.zip')
    select sqlite_compileoption_get(0)
    select sqlite_source_id()
    select sqlite_log(1, 'x')
    select * from generate_series(1, 1000000000)
    select * from dbstat
    select * from sqlite_dbpage
    select data from sqlite_dbpage('shop') where pgno = 1
    select * from sqlite_stmt
    select * from bytecode('select 1')
    select * from tables_used('select 1')
    create virtual table t using csv(filename = '/etc/passwd')
    create virtual table temp.t using fts5(a)
    """)

  private static let schemas = refused(
    """
    update sqlite_schema set sql = 'create table orders(evil)' where name = 'orders'
    update shop.sqlite_master set sql = ''
    delete from sqlite_schema
    insert into sqlite_schema values ('table', 't', 't', 2, 'create table t(a)')
    insert into order_search(order_search) values ('optimize')
    insert into order_search(order_search) values ('rebuild')
    insert into order_search(order_search, rank) values ('merge', -16)
    insert into order_search(order_search) values ('delete-all')
    insert into order_search_data values (1, x'00')
    delete from order_search_idx
    select * from _mt_state
    select * from no_such_table
    select no_such_function(1)
    """)

  // MARK: Without an end

  private static let endless = ended(
    """
    with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c
    with recursive c(x) as (values(1) union all select x + 1 from c) select max(x) from c where x < 0
    with recursive c(x) as (select 1 union all select x + 1 from c), d as (select x from c limit -1) \
    select sum(x) from d
    select count(*) from sys.events a, sys.events b, sys.events c, sys.events d
    select count(*) from sys.events e, sys.handlers a, sys.checkpoints b, sys.dead_letters c, sys.effects d
    select count(*) from sys.events e, sys.handlers a, sys.sagas b, sys.timers c, sys.commands d
    select count(*) from sys.events e left join sys.checkpoints c on c.position = e.position
    select count(*) from orders a, orders b, orders c, orders d, orders e
    select max(a.data || b.data || c.data) from sys.events a, sys.events b, sys.events c, sys.events d
    select count(*) from sys.events a join sys.events b on a.data < b.data join sys.events c on b.data < \
    c.data join sys.events d
    with recursive c(x) as (select 1 union all select x + 1 from c) select sum(x) over (order by x desc \
    rows between unbounded preceding and current row) from c
    with recursive c(x) as (select 1 union all select x + 1 from c limit 30000) select sum(sum(x)) over \
    (order by x groups between 20000 preceding and 20000 following exclude ties) from c group by x
    with recursive c(x) as (select 1 union all select x + 1 from c limit 200000) select max(x) over \
    (order by -x range between 100000 preceding and 100000 following), sum(x) over (order by x % 7 groups \
    between 3 preceding and current row exclude group) from c
    with recursive c(x) as (select '' union select x || 'a' from c) select count(*) from c
    select count(*) from json_each('[1,2,3,4,5,6,7,8,9,10]') a, json_each('[1,2,3,4,5,6,7,8,9,10]') b, \
    json_each('[1,2,3,4,5,6,7,8,9,10]') c, json_each('[1,2,3,4,5,6,7,8,9,10]') d, \
    json_each('[1,2,3,4,5,6,7,8,9,10]') e, json_each('[1,2,3,4,5,6,7,8,9,10]') f, \
    json_each('[1,2,3,4,5,6,7,8,9,10]') g, json_each('[1,2,3,4,5,6,7,8,9,10]') h, \
    json_each('[1,2,3,4,5,6,7,8,9,10]') i
    """)

  // MARK: Too large

  private static let large =
    ended(
      """
      select zeroblob(1000000000)
      select length(hex(zeroblob(1000000000)))
      select randomblob(1000000000)
      select replace(hex(zeroblob(8000000)), '0', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')
      with recursive c(x) as (select 1 union all select x + 1 from c) select \
      group_concat(hex(zeroblob(100000))) from c
      with recursive c(x) as (select 1 union all select x + 1 from c) select \
      json_group_array(hex(zeroblob(100000))) from c
      with recursive c(x) as (select 1 union all select x + 1 from c) select json_group_object(x, \
      hex(zeroblob(100000))) from c
      with recursive c(x) as (select 1 union all select x + 1 from c) select x, randomblob(1000000) b \
      from c order by b
      with recursive c(x) as (select randomblob(1000000) union select randomblob(1000000) from c) select \
      count(*) from c
      with recursive c(x) as (select 1 union all select x + 1 from c) select count(distinct \
      randomblob(1000000)) from c
      with recursive c(x) as (select 1 union all select x + 1 from c), m as materialized (select \
      zeroblob(1000000) z from c) select count(*) from m a, m b
      with recursive c(x) as (select 1 union all select x + 1 from c) select max(length(z)) from (select \
      randomblob(1000000) z from c group by 1)
      with recursive c(x) as (select 1 union all select x + 1 from c) select lag(randomblob(100000), \
      100000) over () from c
      with recursive c(s) as (select 'ab' union all select s || s from c) select max(length(s)) from c
      with recursive c(x) as (select 1 union all select x + 1 from c) select zeroblob(1000000) from c
      with recursive c(x) as (select 1 union all select x + 1 from c) select x from c
      select json_array_length('[' || replace(hex(zeroblob(7000000)), '0', '1,') || '1]')
      """)
    + refused(
      """
      select printf('%.1000000000d', 1)
      select printf('%1000000000s', 'x')
      select format('%.*c', 1000000000, 'x')
      select format('%!.400000000f', 1.0)
      """)

  // MARK: Patterns

  private static let patterns = [
    HostileStatement(
      .ended,
      "with t(x) as (select replace(hex(zeroblob(500000)), '0', 'a')) "
        + "select x like '%a%a%a%a%a%a%a%a%a%a%b' from t"),
    HostileStatement(
      .ended,
      "with t(x) as (select replace(hex(zeroblob(500000)), '0', 'a')) "
        + "select x glob '*a*a*a*a*a*a*a*a*a*a*b' from t"),
    HostileStatement(.harmless, "select 'a' like '\(String(repeating: "%_", count: 60_000))'"),
    HostileStatement(
      .ended, "select trim(x, x) from (select replace(hex(zeroblob(4000000)), '0', 'xy') x)"),
    HostileStatement(
      .harmless,
      "select instr(x, y) from (select hex(zeroblob(7000000)) x), "
        + "(select hex(zeroblob(3000000)) || 'b' y)"),
    HostileStatement(.refused, "select 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaa' regexp '(a+)+b'"),
    HostileStatement(.refused, "select 'a' match 'a'"),
  ]

  // MARK: Full text

  private static let search = [
    HostileStatement(
      .harmless, "select * from order_search where order_search match '\(repeated("w*", " OR ", 20_000))'"),
    HostileStatement(
      .harmless, "select * from order_search where order_search match '\(repeated("w1", " NOT ", 20_000))'"),
    HostileStatement(
      .harmless,
      "select * from order_search where order_search match '\(String(repeating: "(", count: 50_000))w'"),
    HostileStatement(
      .harmless,
      "select * from order_search where order_search match 'NEAR(\(repeated("w1", " ", 20_000)), 1000000)'"),
    HostileStatement(.harmless, "select * from order_search where order_search match '\"'"),
    HostileStatement(.harmless, "select * from order_search('*reads')"),
    HostileStatement(.harmless, "select * from order_search where order_search match '{no such} : w1'"),
    HostileStatement(
      .ended,
      "select count(*) from order_search a, order_search b, order_search c, order_search d "
        + "where a match 'w*' and b match 'w*' and c match 'w*' and d match 'w*'"),
    HostileStatement(.refused, "select * from order_search_data d, fts5vocab('order_search', 'row')"),
  ]

  // MARK: The text itself

  private static let shapes = [
    HostileStatement(.refused, "select " + repeated("1", ",", 500_000)),
    HostileStatement(.refused, "select " + repeated("1", "+", 500_000)),
    HostileStatement(.refused, repeated("select 1", " union all ", 60_000)),
    HostileStatement(.refused, "select \(String(repeating: "(", count: 100_000))1"),
    HostileStatement(.refused, "select " + String(repeating: "not ", count: 100_000) + "1"),
    HostileStatement(.refused, "select " + String(repeating: "-", count: 1_000) + "1"),
    HostileStatement(.refused, "select * from " + repeated("orders", ",", 1_000)),
    HostileStatement(.refused, "select abs(" + repeated("1", ",", 1_000) + ")"),
    HostileStatement(.refused, "select ?999999999"),
    HostileStatement(.refused, "select '" + String(repeating: "x", count: 3_000_000) + "'"),
    HostileStatement(.refused, String(repeating: " ", count: 3_000_000)),
    HostileStatement(.refused, ""),
    HostileStatement(.refused, "/* nothing"),
    HostileStatement(.refused, "-- nothing"),
    HostileStatement(.refused, ";;;"),
    HostileStatement(.refused, "select 'never closed"),
    HostileStatement(.refused, "\u{202e}select 1"),
    HostileStatement(.harmless, "select 1 where 1 in (" + repeated("1", ",", 300_000) + ")"),
    HostileStatement(.harmless, "values " + repeated("(1)", ",", 100_000)),
    HostileStatement(.harmless, "select 1 " + String(repeating: "/**/", count: 200_000)),
    HostileStatement(.ended, "with t0 as (select 1 x limit 9)\(doubling(40)) select count(*) from t40"),
    HostileStatement(
      .ended, "with t0 as (select distinct 1 x)\(doubling(28, "union all")) select count(*) from t28"),
    HostileStatement(
      .harmless,
      "select count(*) from " + (0..<60).map { "orders o\($0)" }.joined(separator: ", ") + " where "
        + (1..<60).map { "(o\($0).total = o\($0 - 1).total or o\($0).status = o\($0 - 1).status)" }
        .joined(separator: " and ") + " limit 0"),
    HostileStatement(
      .ended,
      "select count(*) from " + (0..<60).map { "sys.events e\($0)" }.joined(separator: ", ") + " where "
        + (1..<60).map { "(e\($0).key = e\($0 - 1).key or e\($0).id = e\($0 - 1).id)" }
        .joined(separator: " and ")),
  ]

  // MARK: More than one

  private static let several =
    refused(
      """
      select 1; drop table orders
      select 1; select 2
      select 1;; pragma writable_schema = on
      select 1 /* ; */; attach 'x' as x
      explain select 1; delete from orders
      values (1); begin
      """) + [
      HostileStatement(.refused, "select 1\0; drop table orders"),
      HostileStatement(.refused, "select 1;\n-- a comment\ndrop table orders"),
      HostileStatement(.harmless, "select 1; -- drop table orders"),
      HostileStatement(.harmless, "explain select * from orders"),
      HostileStatement(.harmless, "select * from sqlite_schema, shop.sqlite_schema, sys.sqlite_schema"),
      HostileStatement(.harmless, "select current_timestamp, random(), randomblob(10)"),
    ]

  // MARK: Making them

  private static func refused(_ lines: String) -> [HostileStatement] {
    lines.split(separator: "\n").map { HostileStatement(.refused, String($0)) }
  }

  private static func ended(_ lines: String) -> [HostileStatement] {
    lines.split(separator: "\n").map { HostileStatement(.ended, String($0)) }
  }

  private static func repeated(_ word: String, _ between: String, _ count: Int) -> String {
    word + String(repeating: between + word, count: count - 1)
  }

  /// `, t1 as (…), …`: each names the one before it twice, so the last stands for 2^count of them.
  private static func doubling(_ count: Int, _ join: String = ",") -> String {
    (1...count).map { n in
      join == ","
        ? ", t\(n) as (select a.x from t\(n - 1) a, t\(n - 1) b limit 9)"
        : ", t\(n) as (select x from t\(n - 1) \(join) select x from t\(n - 1))"
    }
    .joined()
  }
}
