-- The events of a day that are repeated most, for people. Reads: event (data/event_table.h).
select
  concat(cast(count(*) as varchar), ' times: user ', user_id, ', title ', coalesce(movie_id, '-'),
    ', ', event_type, coalesce(concat(' ', cast(rating as varchar)), ''), ', time ',
    cast(time_ms as varchar), ' ms') as line
from event
where day = $day
group by user_id, movie_id, event_type, rating, time_ms
having count(*) > 1
order by count(*) desc, user_id, movie_id, time_ms
limit 3
