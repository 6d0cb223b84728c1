-- item.parquet: all that is known of each programme, in the order of its first row.
-- Reads: clean_item (item_clean.sql).
select
  item_id, type, title, year, category, director, actor, language, level, popularity, ticket_num,
  score, is_new, description, available_from, available_until, territories, duration_s, poster
from clean_item
order by first_seq
