# make demo: the embedded demo, from a clean clone, or from where it was cut off. make test: the test suite.
# make test-long: tests of real commands in processes of their own, which CI runs, too.
# make report: results/report.zip.
PYTHON ?= python3
VENV := .venv
SNAKEMAKE := $(VENV)/bin/snakemake
export HF_HUB_OFFLINE := 1

.PHONY: demo test test-long report lint

demo: $(VENV)/.ready
	$(SNAKEMAKE) days_together make_checkpoint fill_activations labels_together labels --resources days=1000 --cores all --rerun-incomplete
	$(SNAKEMAKE) train_together --cores all --rerun-incomplete
	$(SNAKEMAKE) evaluate_together fidelity_together score_together --cores all --rerun-incomplete
	$(SNAKEMAKE) --cores all --rerun-incomplete
	@echo "48 SAEs of the demo: results/README.md describes them, results/figures/suite.png shows them, results/atlas/index.html their features; next: README.md, Use an SAE."

# Three processes on two cores: tests on a cluster, or of locks and lost jobs, spend much of their time waiting. Bytecode is kept:
# each process compiles all tests as long as it is not.
test: $(VENV)/.ready
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/.ready
	PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder -m long

report: $(VENV)/.ready
	$(SNAKEMAKE) --report results/report.zip

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/snakefmt --check Snakefile workflow/rules
	$(SNAKEMAKE) --lint

# Exact versions; --no-deps, since the lock names everything that is needed, the build backend too. The library itself is
# installed as this clone's folder: an environment that two clones share runs, in jobs and tests, each clone's own code.
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-deps --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
