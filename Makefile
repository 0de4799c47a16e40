# mtredis: `make serve` and `make test` install what is missing, build, and do it. The work stands in .ci/.

SHELL := /bin/bash
PORT ?= 6379
ARGS ?=
TESTS ?=
JOBS ?= 3
PY := .venv/bin/python
# PYTHON_GIL=0 is an error for an interpreter that always has a GIL; an empty one is no setting.
GIL_OFF = PYTHON_GIL=$$($(PY) -c 'import sysconfig; print("0" * (sysconfig.get_config_var("Py_GIL_DISABLED") or 0))')

# Most tests wait for a server, so there are more processes than on two cores would find work.
PARALLEL = -n $(JOBS) --dist loadgroup

# With the GIL on, only how threads take turns differs. So the tests with several threads and those of whole servers run
# again, the conformance tests in RESP3 alone: it uses all of RESP2's ways, and pushes. What one thread computes, and
# tables that are compared with Redis's, are as with the GIL off. The stress tests need cores that run in parallel.
GIL_TESTS = tests/integration tests/conformance tests/unit/executor tests/unit/network tests/unit/ops \
    tests/unit/test_*.py tests/unit/keyspace/test_readers.py --ignore tests/conformance/test_command_oracle.py \
    -k "not resp2 and not multi2 and not multi3"

.PHONY: help environment build serve test test-gil asan jitter lint bench redis wheel clean

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

environment:
	@.ci/environment .venv build test programs lint

build: environment ## .venv and the compiled modules, in place (only what changed); PYTHON= names the interpreter
	@flock build/compile.lock $(PY) .ci/compile

serve: build ## the server in the foreground: make serve PORT=7000 ARGS="--maxmemory 100mb"
	@exec $(PY) -m mtredis --port $(PORT) $(ARGS)

test: build redis ## the whole suite with the GIL off, or a part: make test TESTS="tests/unit -k glob"
	@$(GIL_OFF) $(PY) -m pytest $(PARALLEL) $(TESTS)

test-gil: build redis ## what runs in several threads or as a server, with the GIL on
	@PYTHON_GIL=$$($(GIL_OFF); echo $${PYTHON_GIL:+1}) MTREDIS_EXAMPLES=0.25 \
	    $(PY) -m pytest $(PARALLEL) -m "not stress" $(or $(TESTS),$(GIL_TESTS))

asan: redis ## the core's tests under AddressSanitizer
	@.ci/asan $(TESTS)

jitter: build redis ## the stress tests, with threads that pause where it hurts
	@$(GIL_OFF) .ci/jitter $(TESTS)

lint: environment ## ruff and mypy
	@$(PY) -m ruff check .; ruff=$$?; $(PY) -m mypy && exit $$ruff

bench: build redis ## mtredis and redis-server side by side: make bench ARGS="--profile short"
	@.ci/environment .venv bench
	@$(GIL_OFF) $(PY) -m bench $(ARGS)

redis: ## redis-server 8.0 to compare with, built once into the user's cache
	@.ci/redis >/dev/null || [ -z "$$CI" ]

wheel: environment ## dist/mtredis-*.whl, and the proof that it installs without a compiler
	@.ci/wheel

clean: ## removes what a build leaves in this folder, except .venv
	@rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find $(wildcard mtredis tests bench) -name '*.so' -delete -o -name '*.pyc' -delete
