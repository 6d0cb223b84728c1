-- Lines that the engine could not split, once each, with its first complaint.
-- Reads: reject_errors, reject_scans (of the engine).
select
  s.file_path as path,
  cast(e.line as bigint) as line_number,
  min(e.error_message) as message,
  min(e.csv_line) as line
from reject_errors as e
join reject_scans as s on s.scan_id = e.scan_id and s.file_id = e.file_id
group by s.file_path, e.line
