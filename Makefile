# Thin front of Meson: every target says what it does; bare `make` lists them.
BUILD ?= build
DATA ?= marquee-demo
export MESON_TESTTHREADS ?= $(shell nproc)

.PHONY: help setup build demo test test-sanitized test-services check format fuzz golden bench install clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing to build, run and test (apt; DuckDB by npm)
	@tools/setup

$(BUILD)/build.ninja: meson.build meson_options.txt | setup
	@meson setup $(BUILD) >/dev/null || { meson setup $(BUILD); exit 1; }

build: setup $(BUILD)/build.ninja ## set up, then build the library and the binary
	@ninja -C $(BUILD) --quiet

demo: build ## a simulated catalogue in, every user's explained list out (DATA=folder)
	@tools/demo $(BUILD)/cli/marquee $(DATA)

test: build ## set up, build and run all tests that need no server
	@tools/run-tests $(BUILD)

test-sanitized: setup ## unit, property and fuzz-corpus tests under ASan+UBSan, threads under TSan
	@tools/run-tests-sanitized

test-services: build ## start real servers (Kafka, S3, DynamoDB) and test against them
	@tests/services/run $(BUILD)

check: ## format, static analysis, layers, warnings as errors
	@tools/check

format: ## clang-format every source file in place
	@git ls-files '*.c' '*.h' | xargs clang-format -i

fuzz: ## fuzz every byte parser (SECONDS_EACH=60)
	@tools/fuzz $(or $(SECONDS_EACH),60)

golden: build ## regenerate the golden vectors with Python and cross-check both ways
	@tests/golden/run $(BUILD)

bench: build ## measure beside the peers (bench/README.md)
	@bench/run

install: build ## install library, binary, headers, man pages, completions (DESTDIR honoured)
	@meson install -C $(BUILD) --no-rebuild

clean: ## remove the build folders
	@rm -rf build build-*
