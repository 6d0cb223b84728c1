-- The four columns of action.csv that differ from row to row. Reads: action (action.parquet).
select user_id, item_id, action_value, time_s
from action
