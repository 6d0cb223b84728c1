-- What `marquee doctor` and the tests run to see that the SQL engine works: n rows, summed by
-- the engine's own types. "$rows" in quotes or in a comment ($rows) stays as it is.
select
  cast(n as integer) as code,
  n * n as square,
  cast(n as double) / $divisor as share,
  case when n % 2 = 0 then $label || cast(n as varchar) end as label,
  n % 3 = 0 as third,
  '$rows' as kept
from generate_series(1, $rows) as numbers(n)
order by n
