-- How many usable interactions the rules of events would refuse, each counted for the first reason
-- (data/event_sink.h). Reads: interaction (interaction_stage.sql).
with judged as (
  select
    time_s,
    rating,
    case
      when time_s < $time_min then 'too-old'
      when time_s > $time_max then 'in-future'
      when kind = 'rating' and coalesce(rating, -1.0) < 0 then 'unrated'
      when rating >= 0 and (rating < $rating_min or rating > $rating_max) then 'off-scale'
      when length(user_id) > 128 or length(item_id) > 128 then 'long-id'
      else 'good'
    end as verdict
  from interaction
  where user_id <> '' and item_id <> '' and time_s between 0 and 4294967295 and has_good_rating and kind is not null
)
select
  count(*) as total,
  count(case when verdict = 'too-old' then 1 end) as too_old,
  count(case when verdict = 'in-future' then 1 end) as in_future,
  count(case when verdict = 'off-scale' then 1 end) as off_scale,
  count(case when verdict = 'long-id' then 1 end) as long_ids,
  count(case when verdict = 'unrated' then 1 end) as unrated,
  coalesce(min(case when verdict = 'too-old' then time_s end), 0) as oldest_s,
  coalesce(max(case when verdict = 'in-future' then time_s end), 0) as newest_s,
  coalesce(min(case when verdict = 'off-scale' then rating end), 0.0) as lowest,
  coalesce(max(case when verdict = 'off-scale' then rating end), 0.0) as highest
from judged
