-- What every account held at the end of 3 March
-- ask with: --as-of 2026-03-03
select account, owner, status, balance_cents from accounts order by account;
