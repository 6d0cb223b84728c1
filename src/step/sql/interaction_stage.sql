-- Rows of one file of interactions, typed; event is 1 for a play, 0 for an exposure, NULL where
-- the file does not say. Reads: interaction_file (data/local_table.h).
select
  $file as file,
  seq,
  mq_id(user_id) as user_id,
  mq_id(item_id) as item_id,
  mq_epoch_s("timestamp") as time_s,
  mq_to_double(watch_seconds) as watch_s,
  mq_to_double(duration_seconds) as length_s,
  mq_to_double(rating) as rating,
  cast(case when mq_to_int("position") between 0 and 32767 then mq_to_int("position") end as integer)
    as place,
  source,
  trace,
  cast(case
    when lower(event) in ('1', 'play', 'plays', 'played', 'watch', 'watched', 'click', 'clicked',
      'view', 'viewed', 'purchase', 'rating', 'rate', 'true') then 1
    when lower(event) in ('0', 'exposure', 'exposed', 'impression', 'impressions', 'show', 'shown',
      'display', 'false') then 0
  end as integer) as event,
  event is not null as has_event
from interaction_file
