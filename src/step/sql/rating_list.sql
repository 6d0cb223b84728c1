-- Ratings, and choices of the kinds asked for, in the order of silver: day by day, within a day by
-- user and film. Reads: rating (data/silver_days.h). A rating without a value is none.
select
  user_id,
  movie_id,
  cast(case when event_type = 'rating' then rating end as float) as rating,
  cast(greatest(0, least(4294967295, floor(time_ms / 1000))) as bigint) as time_s
from rating
where (event_type = 'rating' and $ratings = 1 and rating is not null)
  or (event_type = 'play' and $plays = 1)
  or (event_type = 'click' and $clicks = 1)
  or (event_type = 'add-to-list' and $lists = 1)
