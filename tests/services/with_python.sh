#!/bin/sh
# Run a Python test with the interpreter that has tests/services/requirements.txt; without one, skip.
[ -n "${MARQUEE_TEST_PYTHON:-}" ] || {
  echo 'skip: MARQUEE_TEST_PYTHON is not set; run: make test-services'
  exit 77
}
exec "$MARQUEE_TEST_PYTHON" -B "$@"
