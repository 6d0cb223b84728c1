-- The later ones of equal actions, by their place in the stage. Reads: stage, duplicate_hash.
select seq
from (
  select
    s.seq,
    row_number() over (partition by s.user_id, s.item_id, s.kind, s.time_s order by s.seq) as place
  from stage as s
  where s.reason is null
    and mq_hash(s.user_id, s.item_id, s.kind, s.time_s) in (select hash from duplicate_hash)
) as numbered
where place > 1
