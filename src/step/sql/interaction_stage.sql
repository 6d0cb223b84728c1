-- Rows of one file of interactions, typed; event is 1 for a play, 0 for an exposure, NULL where
-- the file does not say; kind is the kind of user event (data/event_fields.def), NULL where the file
-- names none that is known. A rating that is there must be a number from 0 on: one that cannot be
-- read is a fault of the row, never a play without a rating. Reads: interaction_file
-- (data/local_table.h).
select
  $file as file,
  seq,
  mq_id(user_id) as user_id,
  mq_id(item_id) as item_id,
  mq_epoch_s("timestamp") as time_s,
  mq_to_double(watch_seconds) as watch_s,
  mq_to_double(duration_seconds) as length_s,
  mq_to_double(rating) as rating,
  mq_is_rating(rating) as has_good_rating,
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
  event is not null as has_event,
  case
    when event is null and mq_to_double(rating) is not null then 'rating'
    when event is null then 'play'
    when lower(event) in ('rating', 'rate', 'rated') then 'rating'
    when lower(event) in ('click', 'clicks', 'clicked') then 'click'
    when lower(event) in ('search', 'searched') then 'search'
    when lower(event) in ('add-to-list', 'add_to_list', 'list', 'wishlist', 'watchlist')
      then 'add-to-list'
    when lower(event) in ('1', 'play', 'plays', 'played', 'watch', 'watched', 'view', 'viewed',
      'purchase', 'true') then 'play'
    when lower(event) in ('0', 'exposure', 'exposed', 'impression', 'impressions', 'show', 'shown',
      'display', 'false') then 'exposure'
  end as kind
from interaction_file
