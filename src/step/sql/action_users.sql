-- Users in the order of action.parquet, each maybe several times in a row. Reads: action.
select user_id
from action
