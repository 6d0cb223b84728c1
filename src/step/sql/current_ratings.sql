-- What counts of the ratings and choices of some users, over all days: of a user, a film and a kind
-- of event the last one. Ratings as thousandths: sums of them do not depend on their order.
-- Reads: rating (data/silver_days.h), or a share of it by users.
select
  user_id,
  movie_id,
  event_type,
  cast(round(rating * 1000) as bigint) as milli,
  time_ms
from (
  select
    *,
    row_number() over (partition by user_id, movie_id, event_type order by time_ms desc) as place
  from rating
) as numbered
where place = 1
