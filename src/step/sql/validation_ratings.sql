-- How often each value is rated on each day. Reads: event (data/event_table.h).
select day, rating, count(*) as times
from event
where event_type = 'rating' and rating is not null
group by day, rating
order by day, rating
