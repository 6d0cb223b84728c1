-- Titles of a day that the catalogue does not list, most frequent first, for people.
-- Reads: event (data/event_table.h), known_item.
select concat('title ', movie_id, ' in ', cast(count(*) as varchar),
  case when count(*) = 1 then ' event' else ' events' end) as line
from event
where day = $day
  and movie_id is not null
  and not exists (select 1 from known_item as i where i.id = event.movie_id)
group by movie_id
order by count(*) desc, movie_id
limit 3
