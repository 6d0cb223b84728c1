-- Some users' affinities to genres, or to people: the mean of (rating - the user's own mean) over films
-- with one, shrunk to 0 by $prior_affinity ratings; the $affinities greatest, greatest first.
-- Reads: current_rating (current_ratings.sql), user_mean (user_means.sql), film_value (movie_id, value),
-- value_name (value, name).
with summed as (
  select
    r.user_id,
    t.value,
    count(*) as events,
    count(case when r.event_type = 'rating' then 1 end) as ratings,
    cast(sum(case when r.event_type = 'rating' then r.milli else 0 end) as double) / 1000 as total
  from current_rating as r
  join film_value as t on t.movie_id = r.movie_id
  group by r.user_id, t.value
),
valued as (
  select
    s.user_id,
    s.value,
    s.events,
    coalesce((s.total - s.ratings * m.shrunk) / nullif(s.ratings + $prior_affinity, 0), 0.0)
      as affinity
  from summed as s
  join user_mean as m on m.user_id = s.user_id
),
placed as (
  select
    *,
    row_number() over (partition by user_id order by affinity desc, events desc, value) as place
  from valued
)
select
  p.user_id,
  mq_list_by(n.name, p.place) as names,
  mq_list_by(p.affinity, p.place) as affinities,
  mq_list_by(p.events, p.place) as events
from placed as p
join value_name as n on n.value = p.value
where p.place <= $affinities
group by p.user_id
