-- action.parquet: accepted actions, user by user, each oldest first, in file order within a
-- second. Reads: stage, duplicate.
select
  s.user_id,
  s.item_id,
  s.kind as action_value,
  s.time_s,
  s.watch_s,
  s.length_s,
  s.rating,
  s.position,
  s.source,
  s.trace
from stage as s
where s.reason is null
  and not exists (select 1 from duplicate as d where d.seq = s.seq)
order by s.user_id, s.time_s, s.seq
