-- Plays and exposures of each item, each counting 2^(-age/half-life), its age counted from the
-- newest action of the log. Reads: action. $half_life_s in seconds. Weights are added as decimals:
-- the sum does not depend on the order in which threads come by.
with newest as (
  select max(time_s) as time_s from action
)
select
  action.item_id,
  cast(sum(case when action.action_value = 1
      then cast(power(2.0, -(newest.time_s - action.time_s) / $half_life_s) as decimal(18, 15))
      else 0 end) as double) as plays,
  cast(sum(case when action.action_value = 0
      then cast(power(2.0, -(newest.time_s - action.time_s) / $half_life_s) as decimal(18, 15))
      else 0 end) as double) as exposures
from action cross join newest
group by action.item_id
order by action.item_id
