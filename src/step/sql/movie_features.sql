-- Features of each film of the catalogue, and of those that were rated without being in it, as of
-- the end of a day. Reads: current_rating (current_ratings.sql) of all users, known_item (id),
-- activity (activity.sql).
-- $until_ms: end of the day, exclusive; $day_ms: a day; $prior_mean, $prior_ratings: what a mean is
-- shrunk to, and how strongly. Popularity counts ratings and choices of the last 1, 7, 28 days; trend
-- is the binary logarithm of the last week's events a day over those of the 28 days, smoothed by one
-- event a week.
with counted as (
  select
    movie_id,
    count(case when event_type = 'rating' then 1 end) as rating_count,
    count(case when event_type <> 'rating' then 1 end) as choice_count,
    cast(sum(case when event_type = 'rating' then milli else 0 end) as double) / 1000 as rating_sum,
    cast(sum(case when event_type = 'rating' then milli * milli else 0 end) as double) / 1000000
      as rating_squares,
    min(time_ms) as first_ms,
    max(time_ms) as last_ms,
    count(distinct floor(time_ms / $day_ms)) as active_days,
    count(case when time_ms >= $until_ms - 1 * $day_ms then 1 end) as popularity_1d,
    count(case when time_ms >= $until_ms - 7 * $day_ms then 1 end) as popularity_7d,
    count(case when time_ms >= $until_ms - 28 * $day_ms then 1 end) as popularity_28d
  from current_rating
  group by movie_id
)
select
  coalesce(i.id, c.movie_id) as movie_id,
  coalesce(c.rating_count, 0) as rating_count,
  coalesce(c.choice_count, 0) as choice_count,
  case when c.rating_count > 0 then c.rating_sum / c.rating_count end as rating_mean,
  coalesce((coalesce(c.rating_sum, 0.0) + $prior_mean * $prior_ratings)
    / nullif(coalesce(c.rating_count, 0) + $prior_ratings, 0), $prior_mean) as rating_mean_shrunk,
  case
    when c.rating_count > 0
    then sqrt(greatest(0.0, c.rating_squares / c.rating_count
      - (c.rating_sum / c.rating_count) * (c.rating_sum / c.rating_count)))
  end as rating_deviation,
  coalesce(c.active_days, 0) as active_days,
  coalesce(c.popularity_1d, 0) as popularity_1d,
  coalesce(c.popularity_7d, 0) as popularity_7d,
  coalesce(c.popularity_28d, 0) as popularity_28d,
  log2(((coalesce(c.popularity_7d, 0) + 1.0) / 7) / ((coalesce(c.popularity_28d, 0) + 4.0) / 28))
    as trend,
  c.first_ms,
  c.last_ms,
  cast($until_ms - c.last_ms as double) / $day_ms as recency_days,
  a.hours,
  a.weekdays
from known_item as i
full outer join counted as c on c.movie_id = i.id
left join activity as a on a.id = c.movie_id
order by movie_id
