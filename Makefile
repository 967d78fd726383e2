# `make` lists what can be made. Everything runs in $(VENV), which `make install` makes.

VENV ?= .venv
DATA ?= digits
ARGS ?=
# The first Python on this machine that is new enough; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install install_todd demo demo-kd test lint type docs tb clean

help:  ## list what can be made
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile
	@echo 'Variables: VENV=.venv PYTHON=python3.11 DATA=digits|photos ARGS="..."'

install: $(INSTALLED)  ## the package and all it needs, into VENV

install_todd: install  ## an alias: nothing here needs todd

# A stamp a set of extras: without a change in pyproject.toml nothing is done twice.
$(INSTALLED): pyproject.toml setup.py
	@test -x $(BIN)/python || test -n '$(PYTHON)' \
		|| { echo 'Python 3.11 or newer is needed: make install PYTHON=...'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo,test]'
	@touch $@

$(INSTALLED)-lint: $(INSTALLED)
	$(PIP) --editable '.[lint]'
	@touch $@

$(INSTALLED)-docs: $(INSTALLED)
	$(PIP) --editable '.[docs]'
	@touch $@

demo: $(INSTALLED)  ## train a small tokenizer on DATA, and a transformer that draws digits
	$(BIN)/python tools/demo.py $(DATA) $(ARGS)

demo-kd: $(INSTALLED)  ## VQ-KD, Cluster and pixel decoders for them, on photographs
	$(BIN)/python tools/demo_kd.py

test: $(INSTALLED)  ## the tests; those that need a GPU are skipped without one
	$(BIN)/python -m pytest -q --numprocesses auto --maxprocesses 4 $(ARGS)

lint: $(INSTALLED)-lint  ## style, spelling, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports

type: $(INSTALLED)-lint  ## types
	$(BIN)/mypy --strict vq

docs: $(INSTALLED)-docs  ## the pages, into site/
	$(BIN)/mkdocs build --strict

tb: $(INSTALLED)  ## TensorBoard on all runs
	$(BIN)/tensorboard --logdir work_dirs $(ARGS)

clean:  ## remove caches and built pages; runs, data and VENV stay
	rm -rf site build *.egg-info .*_cache
	find vq tests tools configs benchmarks -name __pycache__ -type d -exec rm -rf {} +
