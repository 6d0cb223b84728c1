-- Users of a day that the user file does not list, most frequent first, for people.
-- Reads: event (data/event_table.h), known_user.
select concat('user ', user_id, ' in ', cast(count(*) as varchar),
  case when count(*) = 1 then ' event' else ' events' end) as line
from event
where day = $day
  and not exists (select 1 from known_user as u where u.id = event.user_id)
group by user_id
order by count(*) desc, user_id
limit 3
