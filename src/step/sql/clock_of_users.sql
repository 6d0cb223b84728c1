-- When users are active, UTC; Monday is 0. Reads: current_rating (current_ratings.sql).
select
  user_id as id,
  cast(floor(time_ms / 3600000) as bigint) % 24 as hour_of_day,
  (cast(floor(time_ms / 86400000) as bigint) + 3) % 7 as day_of_week
from current_rating
