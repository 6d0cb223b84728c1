-- Some users' affinities to genres: the mean of (rating - the user's own mean) over films with it,
-- shrunk to 0 by $prior_affinity ratings; the $affinities greatest, greatest first.
-- Reads: current_rating (current_ratings.sql), user_mean (user_means.sql), item_genre (movie_id, genre).
with summed as (
  select
    r.user_id,
    t.genre,
    count(*) as events,
    count(case when r.event_type = 'rating' then 1 end) as ratings,
    cast(sum(case when r.event_type = 'rating' then r.milli else 0 end) as double) / 1000 as total
  from current_rating as r
  join item_genre as t on t.movie_id = r.movie_id
  group by r.user_id, t.genre
),
valued as (
  select
    s.user_id,
    s.genre,
    s.events,
    coalesce((s.total - s.ratings * m.shrunk) / nullif(s.ratings + $prior_affinity, 0), 0.0)
      as affinity
  from summed as s
  join user_mean as m on m.user_id = s.user_id
),
placed as (
  select
    *,
    row_number() over (partition by user_id order by affinity desc, events desc, genre) as place
  from valued
)
select
  user_id,
  mq_list_by(genre, place) as genres,
  mq_list_by(affinity, place) as genre_affinities,
  mq_list_by(cast(events as double), place) as genre_events
from placed
where place <= $affinities
group by user_id
