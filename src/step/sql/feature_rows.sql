-- Records that changed, behind a key, in order. Reads: feature_column (user_feature_columns.sql or
-- movie_feature_columns.sql), changed_key (feature_changes.sql).
select f.*
from feature_column as f
join changed_key as c on c.key = f.key
where not c.is_gone and c.key > $after
order by f.key
