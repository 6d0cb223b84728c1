-- Events that a client sent again: of a user's events with one event_id on a day, all but the one
-- that was taken first. Reads: event (data/event_table.h).
select seq
from (
  select
    seq,
    row_number() over (partition by day, user_id, event_hash order by seq) as place
  from event
  where event_hash in (
    select event_hash
    from event
    where event_hash is not null
    group by event_hash
    having count(*) > 1)
) as numbered
where place > 1
