-- Events by hour of the day and by weekday, as lists of 24 and 7 counts. Reads: clock_event
-- (clock_of_users.sql or clock_of_movies.sql).
with per_hour as (
  select id, hour_of_day, count(*) as events from clock_event group by id, hour_of_day
),
per_weekday as (
  select id, day_of_week, count(*) as events from clock_event group by id, day_of_week
),
ids as (
  select distinct id from clock_event
),
hour_list as (
  select i.id, mq_list_by(coalesce(p.events, 0), h.hour_of_day) as hours
  from ids as i
  cross join (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13),
    (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)) as h(hour_of_day)
  left join per_hour as p on p.id = i.id and p.hour_of_day = h.hour_of_day
  group by i.id
),
weekday_list as (
  select i.id, mq_list_by(coalesce(p.events, 0), w.day_of_week) as weekdays
  from ids as i
  cross join (values (0), (1), (2), (3), (4), (5), (6)) as w(day_of_week)
  left join per_weekday as p on p.id = i.id and p.day_of_week = w.day_of_week
  group by i.id
)
select h.id, h.hours, w.weekdays
from hour_list as h
join weekday_list as w on w.id = h.id
