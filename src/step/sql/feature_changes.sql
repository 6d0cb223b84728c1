-- Keys whose features are not what the feature store surely holds. Reads: new_digest (key, digest),
-- held_digest (key, digest), which has several rows of a key where a write died on the way.
with held as (
  select key, min(digest) as lowest, max(digest) as highest
  from held_digest
  group by key
)
select coalesce(n.key, h.key) as key, n.key is null as is_gone
from new_digest as n
full outer join held as h on h.key = n.key
where n.key is null or h.key is null or h.lowest <> n.digest or h.highest <> n.digest
