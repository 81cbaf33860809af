# One entrance for people. `make help` lists it.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
DEV := PYTHONPATH=dev python3 -m dharma_dev
export KUBECONFIG := $(CURDIR)/.dev/kubeconfig
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.dev/bin:$(PATH)

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: images venv ## the whole path: cluster, images, Helm install, an example Blueprint, a row and a key read back, the tree
	@$(PYTHON) -m dharma_dev.demo

demo-clean: ## remove what the demo made; the cluster stays
	@$(PYTHON) -m dharma_dev.demo --clean

cluster: ## the development cluster: build what is missing, start what is not running, repair what is broken
	@$(DEV) up

cluster-down: ## stop the cluster: no process, mount, loop device, nftables table or bridge is left
	@$(DEV) down

cluster-status: ## each part of the cluster, its health, its memory
	@$(DEV) status

cluster-logs: ## the logs of the cluster's parts; LOG=kubelet for one of them
	@$(DEV) logs $(LOG)

images: cluster ## build the images that changed and load them into the cluster
	@$(DEV) images

test: venv check cluster images ## everything that CI checks
	@$(PYTHON) -m pytest tests/unit -n 2 -q
	@$(PYTHON) -m pytest tests/cluster -n 3 --dist loadfile -q --durations 15 -m "not faults"
	@$(PYTHON) -m pytest dev/tests -q --durations 5
	@$(PYTHON) -m pytest tests/e2e -q --durations 5

test-unit: venv ## the tests that need no cluster
	@$(PYTHON) -m pytest tests/unit -n 2 -q

test-faults: venv cluster images ## proofs under faults, on a quiet machine
	@$(PYTHON) -m pytest tests/cluster -q -m faults

check: venv ## lint, types, import contract, generated files current: under a minute
	@$(PYTHON) -m dharma_dev.check

format: venv ## put the code into its one format
	@.venv/bin/ruff check --fix-only -q . && .venv/bin/ruff format -q .

generate: venv ## CRDs, reference pages: everything that is made from the models
	@$(PYTHON) -m dharma_crds generate

bench: venv cluster images ## benchmarks: ratios, printed and written to benchmarks/results/
	@$(PYTHON) -m benchmarks

bench-ml: venv ## benchmarks of the models, on ../shared/data or else on small generated sets; tables, pictures
	@OMP_NUM_THREADS=1 $(PYTHON) -m dharma_ml.bench

lock: venv ## choose the newest allowed dependencies and lock them with hashes
	@for set in "operator --extra operator" "dev --extra operator --extra cli --extra ml --group dev"; do \
	  read -r name extras <<< "$$set"; \
	  .venv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links pyproject.toml $$extras -o requirements/$$name.txt; done
	@.venv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links requirements/build.in -o requirements/build.txt

venv: .venv/ready ## the Python environment, from locked dependencies

.venv/ready: requirements/dev.txt requirements/build.txt pyproject.toml
	@PYTHONPATH=dev python3 -m dharma_dev.venv

.PHONY: help demo demo-clean cluster cluster-down cluster-status cluster-logs images test test-faults test-unit check format generate bench bench-ml lock venv
