-- What a table may hold after a write that died: as it was, or as it was to become.
-- Reads: held_digest, pending_digest (key, digest).
select key, digest from held_digest
union
select key, digest from pending_digest
order by key, digest
