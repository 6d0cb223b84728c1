-- Counts and means of some users as of the end of a day. Reads: current_rating (current_ratings.sql).
-- $until_ms: end of the day, exclusive; $day_ms: a day; $prior_mean, $prior_ratings: what a mean is
-- shrunk to, and how strongly. Sums are of whole thousandths, so that threads cannot change them.
select
  *,
  coalesce((rating_sum + $prior_mean * $prior_ratings)
    / nullif(rating_count + $prior_ratings, 0), $prior_mean) as shrunk
from (
  select
    user_id,
    count(case when event_type = 'rating' then 1 end) as rating_count,
    count(case when event_type <> 'rating' then 1 end) as choice_count,
    cast(sum(case when event_type = 'rating' then milli else 0 end) as double) / 1000 as rating_sum,
    cast(sum(case when event_type = 'rating' then milli * milli else 0 end) as double) / 1000000
      as rating_squares,
    min(time_ms) as first_ms,
    max(time_ms) as last_ms,
    count(distinct floor(time_ms / $day_ms)) as active_days,
    count(case when time_ms >= $until_ms - 7 * $day_ms then 1 end) as events_7d,
    count(case when time_ms >= $until_ms - 28 * $day_ms then 1 end) as events_28d
  from current_rating
  group by user_id
) as counted
