-- A number a person, who may direct and act: numbered by the folded name, with the spelling that is
-- least in order. Reads: role_name (role, value, folded, name).
select
  row_number() over (order by folded) as person,
  folded,
  name
from (
  select folded, min(name) as name
  from role_name
  where folded <> ''
  group by folded
) as people
