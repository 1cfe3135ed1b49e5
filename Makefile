# Every target is complete on its own: it installs what it needs first.
# FARELITE_LANE=tfx116 makes any of them use tfx 1.16 on Python 3.10, in an environment of its own.
VENV := $(if $(filter tfx116,$(FARELITE_LANE)),.venv-tfx116,.venv)
PYTHON := $(VENV)/bin/python
ARGS ?=
DOCKER ?= docker
IMAGE ?= farelite

.PHONY: help install reinstall run example test test-lanes test-tfx116 test-slow test-stores test-beam test-retraining test-mutants check rehearse rehearse-short format lock page image docs bench clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install:  ## make the lane's environment with the locked packages; .venv for tfx121
	@bash requirements/install.sh

reinstall:  ## make the lane's environment anew
	@rm -rf $(VENV)
	@bash requirements/install.sh

run: install  ## the whole pipeline on 15,002 real Chicago rides, into out/chicago
	@$(PYTHON) -m pipeline run $(ARGS)

example: install  ## a model of one's own in TFX: handwritten digits to a pushed file; ARGS='--net mobile' takes the other
	@$(PYTHON) -m examples.digits $(ARGS)

test: install  ## the tests that CI runs
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile $(MARKED) $(ARGS)

test-lanes:  ## on tfx116, the tests where the libraries of the lanes differ; CI runs them
	@FARELITE_LANE=tfx116 FARELITE_PYTHON= $(MAKE) --no-print-directory test MARKED="-m 'lanes and not slow'"

test-tfx116:  ## on tfx116, all that `make test` runs
	@FARELITE_LANE=tfx116 FARELITE_PYTHON= $(MAKE) --no-print-directory test

test-slow: install  ## whole runs that take minutes, and many more bytes for whatever reads a file
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile -m slow $(ARGS)
	@$(PYTHON) -m pytest -q -n 2 tests/faults/test_any_bytes.py --hypothesis-profile slow

test-beam: install  ## whole runs on other Beam engines, with a real job service and worker pool
	@$(PYTHON) -m pytest -q -m slow tests/integration/test_beam_engines.py $(ARGS)

test-retraining: install  ## sixty simulated nights of a retraining timer, and fourteen of an operator; takes long
	@$(PYTHON) -m pytest -q -m slow tests/integration/test_sixty_days.py tests/integration/test_retraining.py \
	  tests/integration/test_fourteen_nights.py $(ARGS)

test-mutants: install  ## small faults in chosen modules: how many the tests notice; ARGS='--seed 1 --count 100 --only dag'
	@$(PYTHON) -m tests.mutants $(ARGS)

rehearse: install  ## the compiled pipeline for Vertex and KFP, every step as in a pod, without a cluster
	@$(PYTHON) -m pipeline rehearse --target vertex $(ARGS)
	@$(PYTHON) -m pipeline rehearse --target kfp $(ARGS)

SHORT = $(PYTHON) -m pipeline rehearse --config tests/integration/short_rehearsal.yaml --parallel 1

rehearse-short: install  ## the same with little work in the steps, both targets at once; what CI runs
	@rm -rf out/rehearsal-short && mkdir -p out/rehearsal-short
	@$(SHORT) --target kfp --output out/rehearsal-short/kfp >out/rehearsal-short/kfp.txt 2>&1 & kfp=$$!; \
	  $(SHORT) --target vertex --output out/rehearsal-short/vertex; vertex=$$?; \
	  wait $$kfp; kfp=$$?; cat out/rehearsal-short/kfp.txt; exit $$((vertex + kfp))

test-stores: install  ## pipelines at once on real PostgreSQL and MariaDB, from Debian's packages
	@FARELITE_REQUIRE_SERVERS=1 $(PYTHON) -m pytest -q -n0 -m 'slow or not slow' tests/pipeline/test_metadata_store.py \
	  tests/integration/test_metadata_servers.py $(ARGS)

check: install  ## ruff and mypy
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check . && $(PYTHON) -m mypy

format: install  ## let ruff rewrite the files
	@$(PYTHON) -m ruff check --fix . ; $(PYTHON) -m ruff format .

lock: install  ## resolve requirements/ again after setup.py changed
	@bash requirements/lock.sh $(ARGS)

page:  ## what `farelite page` puts into a page, LiteRT.js, from its locked npm packages; needs npm
	@command -v npm >/dev/null || { echo 'No npm here; it comes with Node.js 18 or later (Debian: apt-get install npm).' >&2; exit 2; }
	@cd page && npm ci --silent && npm run --silent build

image:  ## the container image of every step in the cloud; IMAGE=... names it
	@command -v $(DOCKER) >/dev/null || { echo "No $(DOCKER) here; DOCKER=podman make image takes another builder." >&2; exit 2; }
	@$(DOCKER) build --platform linux/amd64 --tag $(IMAGE) .

docs: install  ## write docs/config.md again from the settings' classes
	@$(PYTHON) -m pipeline config show --markdown > docs/config.md

bench: install  ## list the benchmarks, one command per figure of docs/figures.md
	@$(PYTHON) -m benchmarks

clean:  ## remove environments and builds; out/ stays, with its served models
	rm -rf .venv .venv-tfx116 build dist *.egg-info page/node_modules pipeline/report/runtime
