-- What every account holds
select account, owner, status, balance_cents from accounts order by account;
