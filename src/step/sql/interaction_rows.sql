-- Usable interactions, oldest first, in the order of files and lines within a second. As logs
-- ($events 0) a row needs no event, or a play or exposure; as events a kind.
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
  coalesce(event, 2) as event,
  coalesce(kind, '') as kind
from interaction
where user_id <> '' and item_id <> '' and time_s between 0 and 4294967295 and has_good_rating
  and (case when $events = 1 then kind is not null else event is not null or not has_event end)
order by time_s, file, seq
