-- One user's plays, oldest first. Reads: action. Order: that of the file.
select item_id, time_s
from action
where user_id = $user and action_value = 1
