-- How many exposures tell which recall channel they came from. Reads: action.
select count(*) as exposures
from action
where action_value = 0 and trace is not null and trace <> ''
