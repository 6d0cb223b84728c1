-- What the feature store keeps of each user, behind its key, as data/feature_update.h takes it.
-- Reads: user_feature (silver's rows of a day).
select
  user_id as key,
  rating_count, choice_count, rating_mean, rating_mean_shrunk, rating_deviation, active_days,
  events_7d, events_28d, first_ms, last_ms, hours, weekdays, genres, genre_affinities,
  genre_events, people, person_affinities
from user_feature
