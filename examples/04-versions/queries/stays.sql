-- Every stay in today's shape
select booking, first, last, arrival, nights, price_cents, minibar_cents, rating
from stays.stays order by booking;
