-- Ratings that count and their sum in thousandths. Reads: current_rating (current_ratings.sql).
select
  count(*) as ratings,
  cast(coalesce(sum(milli), 0) as bigint) as total
from current_rating
where event_type = 'rating'
