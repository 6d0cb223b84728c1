-- Hashes of accepted actions that occur more than once: who, what, how and when are the same.
-- Reads: stage.
select hash
from (select mq_hash(user_id, item_id, kind, time_s) as hash from stage where reason is null) as h
group by hash
having count(*) > 1
