-- What was paid is what confirmed orders cost
select (select coalesce(sum(paid_cents), 0) from cards) as paid_cents,
  (select sum(total_cents) from orders where status = 'confirmed') as confirmed_cents
