# SPDX-License-Identifier: BSD-2-Clause
# `make help` lists what can be asked for.

SHELL := /bin/sh
BIN := .venv/bin
STAMP := .venv/.setup-done
QEMU := qemu-system-riscv64

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rtl test-cluster check floors results kernel-time format clean distclean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

# The stamp is newer than what it was made from, so a second call does nothing and needs no network. It holds the path
# it was made for, because a virtual environment that was moved or copied does not work.
# QEMU is looked for every time, because it can be removed behind our back.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): stale
endif
.PHONY: stale
stale:

setup: $(STAMP) ## install everything needed; leaves .venv/bin/tessera
	@command -v $(QEMU) >/dev/null || scripts/setup.sh system-packages

$(STAMP): pyproject.toml scripts/setup.sh
	@scripts/setup.sh all
	@pwd >$@

demo: setup ## build and boot the greeter system in QEMU
	@$(BIN)/tessera run examples/greeter/greeter.system --timeout 60

test: setup ## run all tests
	@$(BIN)/pytest -n 2

# The packages of the core and its simulator are for this alone. What is built of them stays in the cache.
test-rtl: setup ## measure the kernel on the hardware description of a core; the first time takes minutes
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[rtl]'
	@nice $(BIN)/pytest -m rtl tests/rtl

test-cluster: setup ## test proofs on a Ray cluster of this machine; installs Ray
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[cluster]'
	@$(BIN)/pytest tests/smt/test_cluster.py

# All four run even if an early one fails, so that one call tells everything.
check: setup ## lint, formatting, types, floors
	@failed=; \
	$(BIN)/ruff check || failed="$$failed lint"; \
	$(BIN)/ruff format --check || failed="$$failed formatting"; \
	$(BIN)/mypy || failed="$$failed types"; \
	$(BIN)/pytest tests/test_floors.py || failed="$$failed floors"; \
	if [ -n "$$failed" ]; then echo "check failed:$$failed" >&2; exit 1; fi

floors: setup ## draw docs/floors.md again from the declared order
	@$(BIN)/python -m tessera.floors docs/floors.md

results: setup ## run the suites, and write the README's table of what works
	@$(BIN)/python -m tessera.suites.results

kernel-time: setup ## measure the kernel's longest entries, and write docs/kernel-time.md
	@$(BIN)/python -m tessera.suites.kernel_time

format: setup ## format the Python sources, fix what lint can fix
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

clean: ## remove what builds, tests and tools have left, but not .venv
	@rm -rf build examples/*/build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find src tests examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## remove .venv too
	@rm -rf .venv src/*.egg-info
