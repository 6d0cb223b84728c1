-- Rows of the one day at hand as silver/ratings keeps them. Reads: silver_rating
-- (silver_ratings.sql).
select user_id, movie_id, event_type, rating, watch_seconds, duration_seconds, time_ms
from silver_rating
order by user_id, time_ms, seq
