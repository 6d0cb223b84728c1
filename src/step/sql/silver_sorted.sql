-- Rows of the days at hand as silver/ratings keeps them, each day's by user and time.
-- Reads: silver_rating (silver_ratings.sql).
select user_id, movie_id, event_type, rating, watch_seconds, duration_seconds, time_ms, day
from silver_rating
order by day, user_id, time_ms, seq
