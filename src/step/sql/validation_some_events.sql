-- The first events of a day, or of its ratings from $low to $high where $ratings is 1, for people.
-- Reads: event (data/event_table.h).
select
  concat('user ', user_id, ', title ', coalesce(movie_id, '-'), ', ', event_type,
    coalesce(concat(' ', cast(rating as varchar)), ''), ', time ', cast(time_ms as varchar),
    ' ms') as line
from event
where day = $day
  and ($ratings = 0 or (event_type = 'rating' and rating >= $low and rating <= $high))
order by time_ms, user_id, movie_id
limit 3
