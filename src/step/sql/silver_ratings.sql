-- Each day's ratings and choices: of a user, a film and a kind of event the last one, and none that
-- a client sent again. Reads: event (data/event_table.h), event_repeat (event_repeats.sql).
select
  day,
  user_id,
  movie_id,
  event_type,
  rating,
  watch_s as watch_seconds,
  length_s as duration_seconds,
  time_ms,
  seq
from (
  select
    *,
    row_number() over (
      partition by day, user_id, movie_id, event_type order by time_ms desc, seq desc) as place
  from event
  where movie_id is not null
    and seq not in (select seq from event_repeat)
) as numbered
where place = 1
