-- item.csv: the original system's 13 columns, in the order of item.parquet.
-- Reads: clean_item (item_clean.sql).
select
  item_id,
  coalesce(program_type, type) as program_type,
  coalesce(title, '') as title,
  coalesce(cast(year as varchar), '') as release_year,
  coalesce(director, '') as director,
  coalesce(actor, '') as actor,
  coalesce(category, '') as category_property,
  coalesce(language, '') as language,
  coalesce(ticket_num_text, '') as ticket_num,
  coalesce(popularity_text, '') as popularity,
  coalesce(score_text, '') as score,
  coalesce(level, '') as level,
  case when is_new then '1' else '0' end as is_new
from clean_item
order by first_seq
