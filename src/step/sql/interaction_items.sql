-- The catalogue of an import: what the item files say (the last row of an id wins), or the ids
-- that occur; numbers that nobody gave are counted: interactions, and those rated 4 and more.
-- Reads: interaction, listed_item (text columns, file, seq).
with last_listed as (
  select *
  from (
    select *, row_number() over (partition by program_id order by file desc, seq desc) as age,
      min(file * 1099511627776 + seq) over (partition by program_id) as first_seq
    from listed_item
    where program_id <> ''
  ) as numbered
  where age = 1
),
counted as (
  select
    item_id,
    cast(count(*) as double) as seen,
    cast(sum(case when rating >= 4 then 1 else 0 end) as double) as liked,
    min(time_s) as first_s
  from interaction
  where item_id <> ''
  group by item_id
)
select
  coalesce(l.program_id, c.item_id) as id,
  case when lower(coalesce(l.program_type, '')) in
    ('tv', 'series', 'tv series', 'tvseries', 'tv show', 'tv_show', 'show', 'season', 'episode')
    then 1 else 0 end as type,
  coalesce(l.program_name, case when l.program_id is null then c.item_id end, '') as title,
  coalesce(cast(case when mq_to_int(l.release_year) between 1800 and 2200
    then mq_to_int(l.release_year) end as integer), 0) as year,
  coalesce(l.director, '') as director,
  coalesce(l.actor, '') as actor,
  coalesce(l.category_property, '') as category,
  coalesce(l.language, '') as language,
  coalesce(l.level, '') as level,
  coalesce(mq_to_double(l.ticket_num), c.liked, 0.0) as ticket_num,
  coalesce(mq_to_double(l.popularity), c.seen, 0.0) as popularity,
  mq_to_double(l.score) as score,
  lower(coalesce(l.is_new, '')) in ('1', '1.0', 'true', 'yes', 'y') as is_new,
  coalesce(l.description, '') as description,
  mq_epoch_s(l.available_from) as available_from,
  mq_epoch_s(l.available_until) as available_until,
  coalesce(l.territories, '') as territories,
  coalesce(cast(case when mq_to_int(l.duration_s) between 1 and 1000000
    then mq_to_int(l.duration_s) end as integer), 0) as duration_s,
  coalesce(l.poster, '') as poster
from last_listed as l
full outer join counted as c on c.item_id = l.program_id
where l.program_id is not null or $only_listed = 0
order by l.first_seq nulls last, c.first_s, id
