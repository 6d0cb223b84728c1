-- Plays and exposures of each item, each counting 2^(-age/half-life), its age counted from the
-- newest action of the log. Reads: action. $half_life_s in seconds.
with newest as (
  select max(time_s) as time_s from action
)
select
  action.item_id,
  sum(case when action.action_value = 1
      then power(2.0, -(newest.time_s - action.time_s) / $half_life_s) else 0.0 end) as plays,
  sum(case when action.action_value = 0
      then power(2.0, -(newest.time_s - action.time_s) / $half_life_s) else 0.0 end) as exposures
from action cross join newest
group by action.item_id
order by action.item_id
