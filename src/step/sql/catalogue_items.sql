-- item.parquet as the catalogue reads it: properties in lower case, numbers with defaults for
-- what is unknown. Reads: item. Order: that of the file.
select
  item_id,
  coalesce(type, 'movie') as type,
  coalesce(title, '') as title,
  cast(coalesce(year, 0) as integer) as year,
  lower(coalesce(category, '')) as category,
  lower(coalesce(director, '')) as director,
  lower(coalesce(actor, '')) as actor,
  lower(coalesce(language, '')) as language,
  lower(coalesce(level, '')) as level,
  coalesce(popularity, 0.0) as popularity,
  coalesce(ticket_num, 0.0) as ticket_num,
  coalesce(score, 0.0) as score,
  coalesce(is_new, false) as is_new,
  coalesce(description, '') as description,
  available_from,
  available_until,
  coalesce(territories, '') as territories,
  coalesce(duration_s, 0) as duration_s,
  coalesce(director, '') as director_spelling,
  coalesce(actor, '') as actor_spelling,
  coalesce(language, '') as language_spelling
from item
