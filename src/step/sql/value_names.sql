-- A number a genre, or ($genres 0) a person, who may direct and act: numbered by the folded name, with
-- the spelling that is least in order. Reads: role_name (role, value, folded, name); role 0 directs,
-- 1 acts, 2 is a genre.
select
  row_number() over (order by folded) as value,
  folded,
  name
from (
  select folded, min(name) as name
  from role_name
  where folded <> '' and (role = 2) = ($genres = 1)
  group by folded
) as names
