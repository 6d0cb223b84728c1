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
  a.hour_00, a.hour_01, a.hour_02, a.hour_03, a.hour_04, a.hour_05, a.hour_06, a.hour_07,
  a.hour_08, a.hour_09, a.hour_10, a.hour_11, a.hour_12, a.hour_13, a.hour_14, a.hour_15,
  a.hour_16, a.hour_17, a.hour_18, a.hour_19, a.hour_20, a.hour_21, a.hour_22, a.hour_23,
  a.monday, a.tuesday, a.wednesday, a.thursday, a.friday, a.saturday, a.sunday,
  g.genres,
  g.genre_affinities,
  g.genre_events,
  p.people,
  p.person_affinities
from user_mean as m
join activity as a on a.id = m.user_id
left join user_genre as g on g.user_id = m.user_id
left join user_people as p on p.user_id = m.user_id
order by m.user_id
