-- Who made each film: directors and first actors, each once.
-- Reads: film_role (movie_id, role, value), role_name, person_name.
select distinct
  f.movie_id,
  p.person
from film_role as f
join role_name as r on r.role = f.role and r.value = f.value
join person_name as p on p.folded = r.folded
