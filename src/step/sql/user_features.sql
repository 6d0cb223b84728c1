-- silver/user_features: features of some users as of the end of a day. Reads: user_mean
-- (user_means.sql), activity (activity.sql), user_genre (user_genres.sql), user_people
-- (user_people.sql). $until_ms: end of the day, exclusive; $day_ms: a day.
select
  m.user_id,
  m.rating_count,
  m.choice_count,
  case when m.rating_count > 0 then m.rating_sum / m.rating_count end as rating_mean,
  m.shrunk as rating_mean_shrunk,
  case
    when m.rating_count > 0
    then sqrt(greatest(0.0, m.rating_squares / m.rating_count
      - (m.rating_sum / m.rating_count) * (m.rating_sum / m.rating_count)))
  end as rating_deviation,
  m.active_days,
  m.events_7d,
  m.events_28d,
  m.first_ms,
  m.last_ms,
  cast($until_ms - m.last_ms as double) / $day_ms as recency_days,
  a.hours,
  a.weekdays,
  g.names as genres,
  g.affinities as genre_affinities,
  g.events as genre_events,
  p.names as people,
  p.affinities as person_affinities
from user_mean as m
join activity as a on a.id = m.user_id
left join user_genre as g on g.user_id = m.user_id
left join user_people as p on p.user_id = m.user_id
order by m.user_id
