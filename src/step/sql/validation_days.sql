-- Figures of each day of events. Reads: event (data/event_table.h), known_item and known_user (id
-- columns; known_user is empty unless $check_users is 1).
select
  e.day,
  count(*) as events,
  count(distinct e.user_id) as users,
  count(case when $check_users = 1 and u.id is null then 1 end) as unknown_users,
  count(distinct e.movie_id) as films,
  count(case when e.movie_id is not null and i.id is null then 1 end) as unknown_films,
  count(*) - count(distinct mq_hash(
    e.user_id,
    e.movie_id,
    concat(e.event_type, ' ', coalesce(cast(e.rating as varchar), '')),
    e.time_ms)) as duplicates,
  max(e.time_ms) as last_ms
from event as e
left join known_item as i on i.id = e.movie_id
left join known_user as u on u.id = e.user_id
group by e.day
order by e.day
