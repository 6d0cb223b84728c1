-- user.csv: one row a user, the last row of the file wins, in the order of first appearance.
-- Reads: profile (text columns and seq).
select
  user_id,
  case
    when upper(substr(sex, 1, 1)) in ('F', '女') then 'F'
    when upper(substr(sex, 1, 1)) in ('M', '男') then 'M'
    else ''
  end as sex,
  case when mq_to_int(age) between 1 and 150 then cast(mq_to_int(age) as varchar) else '' end as age,
  coalesce(cast(mq_epoch_s(registered) as varchar), '') as registered,
  coalesce(name, '') as name
from (
  select
    *,
    row_number() over (partition by user_id order by seq desc) as age_of_row,
    min(seq) over (partition by user_id) as first_seq
  from profile
  where user_id is not null
) as numbered
where age_of_row = 1
order by first_seq
