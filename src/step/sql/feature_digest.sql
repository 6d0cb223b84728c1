-- What the feature store keeps of each record, as one digest: equal digests, nothing to write.
-- Reads: feature_column (user_feature_columns.sql or movie_feature_columns.sql).
select key, mq_row_digest(f) as digest
from feature_column as f
