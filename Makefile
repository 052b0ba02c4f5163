# Everything runs in .venv, which the first target that needs it makes. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LISTEN ?= 127.0.0.1:9092
DATA   ?= ./kov-data
FAULTS ?= 1000
SEED   ?=
MINUTES ?= 30
STORAGE ?= varlog_lite
STATE  ?= ./adversity-$(STORAGE)

.PHONY: help run demo test test-all test-long test-soak test-java mutants interop interop-ci containers adversity fuzz lint types contracts proto docs site bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.runtime: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing kov into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli]'
	@touch $@

$(VENV)/.demo: $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing the test tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: $(VENV)/.runtime ## serve Kafka producers on LISTEN (127.0.0.1:9092), data in DATA (./kov-data)
	@exec $(BIN)/kov serve --listen $(LISTEN) --data $(DATA)

demo: $(VENV)/.demo ## two real producers write, the records are read back twice
	@$(BIN)/kov demo

test: $(VENV)/.dev ## the tests with Python clients only
	$(BIN)/pytest -q -m "not slow and not java and not interop and not containers"

test-long: $(VENV)/.dev ## what `make test` leaves out, Java too: needs a JDK, Maven, spin and gcc
	$(BIN)/pytest -q -m "(slow or java) and not soak and not interop and not containers"

test-soak: $(VENV)/.dev ## kills and more kills, for half an hour
	$(BIN)/pytest -q -m soak

adversity: $(VENV)/.dev ## FAULTS faults under load; run again, it goes on. STORAGE=varlog: the real one on PATH
	$(BIN)/python -m tests.adversity --faults $(FAULTS) --storage $(STORAGE) --state $(STATE) $(if $(SEED),--seed $(SEED))

fuzz: $(VENV)/.dev ## broken and odd requests for MINUTES (30); SEED=... for a certain run
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/.dev ## defects sown into kov/partition, one at a time; `mutmut browse` shows which ones no test finds
	$(BIN)/mutmut run

interop: $(VENV)/.dev ## client libraries of six languages; writes docs/clients.md. Needs Go, Node.js, Rust, a JDK, Maven, kcat
	KOV_WRITE_CLIENTS_PAGE=1 $(BIN)/pytest -q -m interop

interop-ci: $(VENV)/.dev ## fewer scenarios for each of them
	$(BIN)/pytest -q -m "interop and not slow"

containers: $(VENV)/.dev ## the image and compose/ for real: takes a Docker engine, or root, docker.io and debootstrap
	$(BIN)/pytest -q -m containers

test-java: $(VENV)/.dev ## beside Apache Kafka's own server only
	$(BIN)/pytest -q -m java

test-all: test test-long interop-ci containers ## everything

lint: $(VENV)/.dev ## ruff, and whether the generated code is current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python proto/generate.py --check
	$(BIN)/python docs/client_api.py --check
	$(BIN)/python docs/protocol.py --check
	$(BIN)/python docs/metrics.py --check
	$(BIN)/python docs/configuration.py --check
	$(BIN)/python docs/assets/pictures.py --check

types: $(VENV)/.dev ## strict mypy
	$(BIN)/mypy

contracts: $(VENV)/.dev ## which package may import which
	$(BIN)/lint-imports

proto: $(VENV)/.dev ## regenerate varlog_client/pb and kov/pb
	$(BIN)/python proto/generate.py

docs: $(VENV)/.dev ## regenerate what of docs/ is made from the program, and the pictures
	$(BIN)/python docs/client_api.py
	$(BIN)/python docs/protocol.py
	$(BIN)/python docs/metrics.py
	$(BIN)/python docs/configuration.py
	$(BIN)/python docs/assets/pictures.py

site: $(VENV)/.dev ## docs/ as pages in site/, which can be opened as files; links are checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

bench: $(VENV)/.dev ## kov, the log beneath it and Apache Kafka in one table; QUICK=1: 3 minutes instead of 40
	$(BIN)/python -m bench.suite $(if $(QUICK),--quick)

clean: ## remove the virtual environment and caches (never your data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
