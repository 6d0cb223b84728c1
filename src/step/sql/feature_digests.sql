-- Digests of what a table holds, by key. Reads: new_digest (key, digest).
select key, digest from new_digest order by key
