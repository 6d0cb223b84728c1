-- One row a programme: the last row of the basic files wins, is_new only where all rows say so,
-- joined with the last row of the expand files.
-- Reads: basic, expand (text columns and seq, the order of reading).
with last_basic as (
  select *
  from (
    select
      *,
      row_number() over (partition by program_id order by seq desc) as age,
      min(seq) over (partition by program_id) as first_seq,
      min(case when lower(is_new) in ('1', '1.0', 'true', 'yes', 'y') then 1 else 0 end)
        over (partition by program_id) as new_everywhere
    from basic
    where program_id is not null
  ) as numbered
  where age = 1
),
last_expand as (
  select *
  from (
    select *, row_number() over (partition by mq_id(program_id) order by seq desc) as age
    from expand
    where mq_id(program_id) is not null
  ) as numbered
  where age = 1
)
select
  b.first_seq,
  b.program_id as item_id,
  case
    when lower(b.program_type) in
      ('tv', 'series', 'tv series', 'tvseries', 'tv show', 'tv_show', 'show', 'season', 'episode')
    then 'tv'
    else 'movie'
  end as type,
  b.program_type,
  b.program_name as title,
  b.release_year,
  case
    when mq_to_int(b.release_year) between 1800 and 2200
    then cast(mq_to_int(b.release_year) as integer)
    when mq_to_int(substr(b.release_year, 1, 4)) between 1800 and 2200
    then cast(mq_to_int(substr(b.release_year, 1, 4)) as integer)
  end as year,
  b.category_property as category,
  b.director,
  b.actor,
  b.language,
  b.level,
  b.ticket_num as ticket_num_text,
  b.popularity as popularity_text,
  b.score as score_text,
  mq_to_double(b.ticket_num) as ticket_num,
  mq_to_double(b.popularity) as popularity,
  mq_to_double(b.score) as score,
  b.new_everywhere = 1 as is_new,
  e.description,
  mq_epoch_s(e.available_from) as available_from,
  mq_epoch_s(e.available_until) as available_until,
  upper(replace(replace(replace(e.territories, ',', '|'), ';', '|'), ' ', '')) as territories,
  cast(case when mq_to_double(e.duration_s) between 1 and 1e6 then floor(mq_to_double(e.duration_s)) end
    as integer) as duration_s,
  e.poster
from last_basic as b
left join last_expand as e on mq_id(e.program_id) = b.program_id
