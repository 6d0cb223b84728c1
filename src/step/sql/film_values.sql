-- The genres, or ($genres 0) the people, of each film, each once. Reads: film_role (movie_id, role,
-- value), role_name (role, value, folded, name), value_name (value_names.sql).
select distinct
  f.movie_id,
  n.value
from film_role as f
join role_name as r on r.role = f.role and r.value = f.value
join value_name as n on n.folded = r.folded
where (f.role = 2) = ($genres = 1)
