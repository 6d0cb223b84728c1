-- What the feature store keeps of each film, behind its key, as data/feature_update.h takes it.
-- Reads: movie_feature (silver's rows of a day).
select
  movie_id as key,
  rating_count, choice_count, rating_mean, rating_mean_shrunk, rating_deviation, active_days,
  popularity_1d, popularity_7d, popularity_28d, trend, first_ms, last_ms, hours, weekdays
from movie_feature
