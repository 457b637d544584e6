# What can be done here; `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help run test check format docs bench fuzz soak sim lock package release-check clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

run: .venv/run.stamp ## install what is needed and start the demo: a server and two phones
	@exec .venv/bin/switchroom demo

test: .venv/dev.stamp ## install what tests need, then run every check, make the documentation, and run every test
	@.ci/peers sipp:sip-tester baresip:baresip-core iaxmodem:iaxmodem tshark:tshark openssl:openssl curl:curl node:nodejs npm:npm prosody:prosody chromium:chromium kamailio:kamailio && tests/clients/install && .ci/check && .ci/docs && .venv/bin/pytest

check: .venv/dev.stamp ## run the linters and the type checker only
	@.ci/check

format: .venv/dev.stamp ## lay out the source as the linter wants it
	@.venv/bin/ruff check --fix && .venv/bin/ruff format

docs: .venv/run.stamp ## make the documentation in build/docs, where any warning is an error
	@.ci/docs

bench: .venv/dev.stamp ## measure throughput and CPU per operation
	@.ci/peers sipp:sip-tester wrk:wrk && .venv/bin/python bench/run

fuzz: .venv/dev.stamp ## throw new damaged input at the parsers for MINUTES=5
	@.ci/fuzz

soak: .venv/dev.stamp ## the bench for long, 500 made-up requests for each ARI operation, 200 crashes
	@.ci/peers sipp:sip-tester wrk:wrk && .venv/bin/python bench/run --seconds 600 --operations 500000
	@SWITCHROOM_EXAMPLES=500 .venv/bin/pytest tests/security/test_s32.py
	@CRASH_ROUNDS=200 .venv/bin/pytest -s tests/wire/test_crash.py

sim: .venv/dev.stamp ## play SEEDS=20000 simulated worlds of phones, a bad network and a failing store
	@PYTHONPATH=tests:src .venv/bin/python -m simulation $(or $(SEEDS),20000)

lock: .venv/dev.stamp ## choose the newest versions of all dependencies and pin them with hashes
	@.ci/lock

package: .venv/dev.stamp ## build the wheel and the source archive in dist
	@.ci/package

release-check: .venv/dev.stamp ## see whether what is here may be released
	@.venv/bin/python .ci/release-check

clean: ## remove everything that was made here
	rm -rf .venv build dist .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info

.venv/run.stamp: requirements.lock pyproject.toml .ci/install
	@.ci/install run

.venv/dev.stamp: requirements-dev.lock requirements-peers.lock pyproject.toml .ci/install
	@.ci/install dev
