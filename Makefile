# presenced: what one can do here. `make help` lists it. Everything that is needed and missing is installed by the target that needs it.

# Flags for every debug build; CI adds "-Xswiftc -warnings-as-errors". One set of flags means one build folder.
SWIFT_FLAGS ?=
# Flags for every release build: docs/decisions/0010 says why.
RELEASE_FLAGS ?= -Xswiftc -enforce-exclusivity=unchecked
# Settings for `make run`: make run SETTINGS="--port 6400 --session-ttl 90s"
SETTINGS ?=
# For `make bench-scale`: make bench-scale USERS=1000000 SECONDS=60 PARTS=hold,storms,growth,loops
USERS = 30000000
SECONDS = 600
PARTS = hold,storms,growth,loops
# For `make bench-cluster`: make bench-cluster COPY=10000000 CLUSTER_PARTS=copy
COPY = 1000000
CLUSTER_PARTS = lag,beats,heartbeat,copy,failover
# Which tests of real clients: files, or all.
CLIENT_TESTS ?= Tests/clients
# How many files of them run at the same time. Many of their tests wait for time to pass.
CLIENT_WORKERS ?= 2
# The binary that the real clients test.
PRESENCED_BINARY ?= $(CURDIR)/.build/debug/presenced

SWIFT_SOURCES := Package.swift Sources Tests $(wildcard Examples/*/Package.swift Examples/*/Sources Examples/*/Tests) $(wildcard Benchmarks/Package.swift Benchmarks/Sources Benchmarks/Tests)
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help run cluster build test test-swift test-clients lint format docs check-docs bench bench-scale bench-cluster bench-check bench-baseline bench-test presence-bench fuzz model simulate sanitize setup setup-tests clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build for release and serve on the defaults, port 6399.
	exec .build/release/presenced $(SETTINGS)

cluster: build ## Build for release and serve as a cluster of three nodes, ports 6399 to 6401; its files are in .cluster.
	exec scripts/cluster .build/release/presenced $(SETTINGS)

build: setup ## Build presenced for release: .build/release/presenced.
	@scripts/announce release "Building presenced for release" "about 5 minutes the first time on 2 cores, seconds after that"
	swift build -c release --product presenced $(RELEASE_FLAGS)

test: test-swift test-clients ## Set up, build, run the Swift tests, then real Redis clients against the real binary.

test-swift: setup-tests ## The Swift tests alone.
	@scripts/announce debug "Building presenced and its tests" "about 5 minutes the first time on 2 cores, seconds after that"
	swift build --build-tests $(SWIFT_FLAGS)
	swift test --skip-build $(SWIFT_FLAGS) --skip PresenceSimulationTests
	@# By themselves: they fill the threads on which other tests' links and tickers wait.
	swift test --skip-build $(SWIFT_FLAGS) --filter PresenceSimulationTests

test-clients: setup-tests ## redis-cli, redis-py, valkey-py, GLIDE and redis-benchmark against PRESENCED_BINARY (the debug build).
	@test -x "$(PRESENCED_BINARY)" || swift build --product presenced $(SWIFT_FLAGS)
	PRESENCED_BINARY="$(PRESENCED_BINARY)" $(PYTHON) -m pytest -n $(CLIENT_WORKERS) --dist loadfile --no-loadscope-reorder $(CLIENT_TESTS)

lint: ## Check the format of all Swift code.
	swift format lint --strict --recursive --parallel $(SWIFT_SOURCES)

format: ## Format all Swift code in place.
	swift format --in-place --recursive --parallel $(SWIFT_SOURCES)

docs: setup ## Write docs/CONFIGURATION.md, cluster.conf and the README's table anew from the code.
	swift build --product presenced $(SWIFT_FLAGS)
	scripts/write-documents .build/debug/presenced

check-docs: ## Make the documentation of what others import, into .build-docs; a warning, or a public symbol under no topic, fails.
	@scripts/check-docs $(SWIFT_FLAGS)

bench: setup-tests ## Measure presenced, beside Redis where it is installed; docs/BENCHMARKS.md says how to read it.
	@scripts/announce bench "Building the benchmarks for release" "about 5 minutes the first time on 2 cores"
	swift build -c release --product presenced $(RELEASE_FLAGS)
	RELEASE_FLAGS="$(RELEASE_FLAGS)" Benchmarks/run

bench-scale: setup ## 30 million users on one node, storms, growth, two event loops against one (USERS, SECONDS, PARTS).
	@scripts/announce bench "Building the benchmarks for release" "about 5 minutes the first time on 2 cores"
	swift build -c release --product presenced $(RELEASE_FLAGS)
	swift build -c release --package-path Benchmarks --product presence-bench $(RELEASE_FLAGS)
	Benchmarks/.build/release/presence-bench scale --users $(USERS) --seconds $(SECONDS) --parts $(PARTS)

bench-cluster: setup-tests ## Three nodes beside Redis with two replicas: lag, bytes, beats, a copy of COPY users, failover (CLUSTER_PARTS).
	@scripts/announce bench "Building the benchmarks for release" "about 5 minutes the first time on 2 cores"
	swift build -c release --product presenced $(RELEASE_FLAGS)
	swift build -c release --package-path Benchmarks --product presence-bench $(RELEASE_FLAGS)
	Benchmarks/.build/release/presence-bench cluster --users $(COPY) --parts $(CLUSTER_PARTS)

bench-check: ## Compare instructions, allocations and bytes with Benchmarks/baselines.json; a tenth more fails.
	@$(MAKE) --no-print-directory presence-bench
	Benchmarks/.build/release/presence-bench baseline

bench-baseline: ## Write Benchmarks/baselines.json anew, when more is meant to be done.
	@$(MAKE) --no-print-directory presence-bench
	Benchmarks/.build/release/presence-bench baseline --write

bench-test: setup ## Test the benchmarks themselves: comparisons, charts, checks of replies.
	@scripts/announce bench-test "Building the benchmarks' tests" "about 3 minutes the first time on 2 cores"
	swift build --package-path Benchmarks --build-tests --scratch-path Benchmarks/.build-tests $(SWIFT_FLAGS)
	swift test --package-path Benchmarks --scratch-path Benchmarks/.build-tests --skip-build $(SWIFT_FLAGS)

presence-bench: setup
	@scripts/setup-debian valgrind binutils
	@scripts/announce bench "Building the benchmarks for release" "about 3 minutes the first time on 2 cores"
	swift build -c release --package-path Benchmarks --product presence-bench $(RELEASE_FLAGS)

fuzz: setup ## Run the random tests (codec, model, laws) with fresh seeds for FUZZ_SECONDS (300).
	@scripts/fuzz

model: setup ## Run the store beside the slow model for OPERATIONS (5000000) random operations, in a release build.
	@scripts/model

simulate: setup ## Play lives of a cluster with fresh seeds, cuts, crashes and all, for HOURS (1).
	@scripts/simulate

sanitize: ## Run the tests of store and codecs under the thread and the address sanitizer.
	@scripts/sanitize $(SWIFT_FLAGS)

setup: ## Install what a build needs (Debian packages).
	@scripts/setup-debian libjemalloc-dev libssl-dev redis-tools

setup-tests: setup ## Install what the tests need too (Debian packages, Python packages into .venv).
	@scripts/setup-debian iproute2 openssl redis-server python3-venv nodejs node-redis
	@scripts/setup-python

clean: ## Remove everything that was built or installed here.
	rm -rf .build .build-* Benchmarks/.build .venv .cluster
