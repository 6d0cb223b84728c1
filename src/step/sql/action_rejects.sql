-- rejects.csv: lines kept aside, with the reason, at most $limit of them.
-- Reads: stage, duplicate, log_file, bad_line (what the engine could not split).
with rejected as (
  select s.reason, s.path, s.seq, s.line
  from stage as s
  where s.reason is not null
  union all
  select 'duplicate' as reason, cast(null as varchar) as path, s.seq,
    concat(s.user_id, ',', s.item_id, ',', cast(s.time_s as varchar)) as line
  from stage as s
  join duplicate as d on d.seq = s.seq
  union all
  select 'bad_line' as reason, b.path, -1 as seq,
    concat('line ', cast(b.line_number as varchar), ': ', b.message, ': ', b.line) as line
  from bad_line as b
)
select r.reason, f.key as file, r.line
from rejected as r
left join log_file as f on f.path = r.path
order by r.seq, f.key, r.line
limit $limit
