-- Log lines of one group as typed rows, each with the reason to refuse it, or none.
-- Reads: log_line (data/action_logs.h), known_item and known_user (id columns; known_user is
-- empty unless $check_users is 1). Order: that of the files.
with typed as (
  select
    mq_id(user_id) as user_id,
    mq_id(item_id) as item_id,
    mq_epoch_s(time_text) as time_s,
    cast(mq_to_double(watch_text) as float) as watch_s,
    cast(mq_to_double(length_text) as float) as length_s,
    cast(mq_to_double(rating_text) as float) as rating,
    cast(mq_to_int(position_text) as integer) as position,
    source,
    trace,
    time_text,
    path
  from log_line
),
judged as (
  select
    t.*,
    case
      when t.user_id is null or t.user_id = '' then 'no_user'
      when t.item_id is null or t.item_id = '' then 'no_item'
      when length(t.user_id) > $id_max or length(t.item_id) > $id_max then 'id_too_long'
      when t.time_s is null then 'bad_time'
      when t.time_s < $time_min then 'time_too_early'
      when t.time_s > $time_max then 'time_in_future'
      when i.id is null then 'unknown_item'
      when $check_users = 1 and u.id is null then 'unknown_user'
    end as reason
  from typed as t
  left join known_item as i on i.id = t.item_id
  left join known_user as u on u.id = t.user_id
)
select
  user_id,
  item_id,
  cast($kind as integer) as kind,
  time_s,
  case when watch_s >= 0 then watch_s end as watch_s,
  case when length_s > 0 then length_s end as length_s,
  rating,
  case when position between 0 and 32767 then position end as position,
  source,
  trace,
  reason,
  case when reason is not null then path end as path,
  case
    when reason is not null
    then concat(coalesce(user_id, ''), ',', coalesce(item_id, ''), ',', coalesce(time_text, ''))
  end as line
from judged
