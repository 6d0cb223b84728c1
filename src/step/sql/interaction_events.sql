-- Usable interactions as user events, oldest first, in the order of files and lines within a second.
-- Reads: interaction (interaction_stage.sql).
select
  user_id,
  item_id,
  time_s,
  coalesce(watch_s, -1.0) as watch_s,
  coalesce(length_s, -1.0) as length_s,
  coalesce(rating, -1.0) as rating,
  coalesce(place, -1) as place,
  coalesce(source, '') as source,
  coalesce(trace, '') as trace,
  kind
from interaction
where user_id <> '' and item_id <> '' and time_s between 0 and 4294967295 and kind is not null
order by time_s, file, seq
