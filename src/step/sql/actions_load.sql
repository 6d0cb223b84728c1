-- action.parquet as mq_actions_load reads it. Reads: action. Order: that of the file, which is
-- user by user, each oldest first. $exposures 1: exposures too.
select
  user_id,
  item_id,
  time_s,
  cast(action_value as integer) as kind,
  watch_s,
  length_s,
  rating,
  position,
  trace
from action
where action_value >= 1 - $exposures
