# Every target works from a fresh clone: the first one that needs .venv creates it.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without cached byte code, each process that a test starts would compile the package again.
COMPILED := PYTHONDONTWRITEBYTECODE=
RUFF := $(BIN)/ruff check . && $(BIN)/ruff format --check .
TYPES := $(BIN)/mypy && $(BIN)/lint-imports

.DEFAULT_GOAL := help
.PHONY: help serve extras test test-postgresql test-postgresql-rows test-slow browser-programs deploy-programs deploy-check test-faults test-hosts test-asan test-attacks test-browser screenshots bench bench-batches bench-console bench-engine bench-growth bench-hosts bench-retrain bench-rollouts bench-splits bench-swap bench-telemetry simulate-guards lint lock \
	lock-bench lock-clients release clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

serve: .venv/serve ## Start the service with two demo models on http://127.0.0.1:8000
	@$(BIN)/hotswap serve --demo

extras: .venv/extras ## Install Arrow and Parquet, Excel, plots, PostgreSQL, S3, gunicorn and Dask

# Threads of OpenMP and OpenBLAS that find no core to run on keep the others busy waiting: small models
# then train ten times as long. make test-slow runs with as many as these libraries start by themselves.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Three processes on two cores, since tests wait for their servers; each further process collects the
# tests again and starts another PostgreSQL. In the order of the folders the long tests do not come
# last. What the tests write is in memory: on a disk they would wait for each transaction. Types and
# import rules are checked beside the tests: alone they would leave a core idle for half a minute.
test: .venv/test ## Run linters, types, import rules and the tests
	$(RUFF)
	@mkdir -p build
	@( $(TYPES) ) > build/types.txt 2>&1 & types=$$!; \
		$(COMPILED) $(ONE_THREAD) $(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder --one-server \
		--in-memory -m "not slow"; tests=$$?; \
		wait $$types; types=$$?; cat build/types.txt; exit $$(( tests | types ))

# What make test runs on SQLite only, because it is about something else. What concerns the database runs
# on both there.
POSTGRESQL ?= tests/integration
test-postgresql: .venv/test ## Run the tests that fit either database on PostgreSQL
	$(COMPILED) $(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --in-memory \
		--postgresql -m "not slow" $(POSTGRESQL)

# Those of them in which the database could make a difference: where rows are searched, ordered, locked
# and compared. The others are about requests, artifacts and pages.
ABOUT_ROWS := $(addprefix tests/integration/,keeper live registry watching webhooks) \
	$(patsubst %,tests/integration/api/test_%.py,access alerts callers gates history holdouts hosts lists logged_models \
	mlflow_registry model_lists models monitoring problems promotions rollbacks_and_history rollouts split_traffic \
	splits tokens traffic uploads versions webhooks)

test-postgresql-rows: POSTGRESQL := $(ABOUT_ROWS)
test-postgresql-rows: test-postgresql ## Run those of them in which the database could make a difference

test-slow: HYPOTHESIS ?= thorough
test-slow: .venv/test ## Run the long tests, every attack and fault, and Hypothesis with many examples
	$(COMPILED) HYPOTHESIS_PROFILE=$(HYPOTHESIS) \
		$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "slow or hypothesis" --ignore tests/deploy

# A program, and the package of the distribution that has it. podman needs crun and iproute2.
PROGRAMS := nginx:nginx supervisord:supervisor promtool:prometheus podman:podman crun:crun mmdebstrap:mmdebstrap \
	curl:curl openssl:openssl ip:iproute2 setpriv:util-linux systemd-analyze:systemd

deploy-programs: ## Install what make deploy-check starts and this machine lacks, with apt-get (as root)
	@missing=; for program in $(PROGRAMS); do \
		PATH="$$PATH:/usr/sbin" command -v "$${program%:*}" > /dev/null || missing="$$missing $${program#*:}"; \
	done; \
	test -z "$$missing" || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends $$missing; }

deploy-check: .venv/test deploy-programs ## Start every deployment of deploy/, promote under load, and print the figures (as root)
	$(COMPILED) $(BIN)/python -m pytest -q -n 0 -m slow tests/deploy

test-faults: .venv/test ## Inject kills, power failures and disk errors at every point, and print the figures
	$(BIN)/python -m pytest --long-faults -n 0 tests/faults tests/system/test_killed_keepers.py \
		tests/system/test_webhooks.py

test-hosts: .venv/test ## Stop, kill and cut off three hosts for ten minutes, and check every reply; HOSTS='--seconds 60'
	$(COMPILED) $(ONE_THREAD) $(BIN)/python -m tests.hosts.chaos $(HOSTS)

browser-programs: ## Install Chromium if this machine has none, with apt-get (as root)
	@command -v chromium > /dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium; }

test-browser: .venv/browser browser-programs ## Use the console in Chromium; write screenshots to build/browser
	$(COMPILED) $(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --dist loadscope tests/browser

screenshots: .venv/browser browser-programs ## Make the pictures of the README from the demo
	$(BIN)/python -m tests.browser.screenshots

# The modules are built with sanitizers into a copy of the package, next to the one in use.
test-asan: .venv/test ## Run the compiled modules' tests under AddressSanitizer and UBSan
	rm -rf build/asan && mkdir -p build/asan && cp -R registry build/asan/ && rm -f build/asan/registry/*/*.so
	for module in engines/forest_kernel engines/boosting_kernel engines/chain_kernel codecs/thrift_kernel codecs/tensor_kernel codecs/row_kernel splits/key_kernel; do $(CC) -std=c11 -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer -fno-sanitize-recover=all \
		-fsanitize=address,undefined -shared -fPIC \
		-I"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
		registry/$$module.c -o build/asan/registry/$$module.abi3.so -lm || exit 1; done
	cd build/asan && ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
		LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
		$(abspath $(BIN))/python -m pytest -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) -p no:cacheprovider \
		$(CURDIR)/tests/integration/engines/test_forest_kernel*.py $(CURDIR)/tests/integration/engines/test_boosting_kernel*.py \
		$(CURDIR)/tests/unit/registry/engines/test_chain_kernel*.py $(CURDIR)/tests/unit/registry/engines/test_row_encoder.py \
		$(CURDIR)/tests/unit/registry/codecs/test_thrift_compact.py \
		$(CURDIR)/tests/unit/registry/codecs/test_tensor_texts.py \
		$(CURDIR)/tests/unit/registry/splits/test_key_places.py \
		$(CURDIR)/tests/unit/registry/codecs/test_arrow_plain.py \
		$(CURDIR)/tests/unit/registry/codecs/test_compiled_rows.py \
		$(CURDIR)/tests/unit/registry/codecs/test_row_kernel.py \
		$(CURDIR)/tests/unit/registry/codecs/test_decimal_numbers.py

bench: .venv/test .venv-bench/done .venv-bench-mlserver/done ## Compare with MLServer, MLflow and others; write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks $(BENCH)

test-attacks: .venv/test ## Upload all attacks to a real server, and try every path escape on every route
	$(BIN)/python -m pytest -q -n 0 tests/attacks/over_http.py
	$(BIN)/python -m pytest -q -n 0 tests/system/test_path_escapes.py --every-route

# Without the configuration of the other tests, which need the packages of the service.
CLIENT_TESTS := -m pytest -c tests/clients/pytest.ini --confcutdir tests/clients

test-clients: .venv/test .venv-clients/done .venv-clients-mlserver/done .venv-clients-mlflow/done ## Call a real server with the newest clients of other systems
	.venv-clients/bin/python $(CLIENT_TESTS) tests/clients/test_triton.py tests/clients/test_kserve.py tests/clients/test_tensorflow.py
	.venv-clients-mlserver/bin/python $(CLIENT_TESTS) tests/clients/test_mlserver.py
	.venv-clients-mlflow/bin/python $(CLIENT_TESTS) tests/clients/test_mlflow*.py

bench-batches: .venv/test ## Time a file of 5,000,000 rows in process, over HTTP and on Dask
	$(BIN)/python -m benchmarks.batches --rows 5000000

bench-console: .venv/test ## Time every page of the console in large registries, and predictions with open pages
	$(BIN)/python -m benchmarks.console $(CONSOLE)
	$(BIN)/python -m benchmarks.console_polling

bench-engine: .venv/test ## Time the kernels of trees and scikit-learn, XGBoost and LightGBM on one core
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.boosters

bench-retrain: .venv/test ## Time hotswap retrain and plain scikit-learn on the housing forest
	$(BIN)/python -m benchmarks.retrain

bench-swap: .venv/test ## Swap versions 1,000 times under load, check every response, and time predictions near swaps
	$(BIN)/python -m benchmarks.swap
	$(BIN)/python -m benchmarks.near_moves

bench-rollouts: .venv/test ## Measure what splits and rollouts promise; ROLLOUTS=--write writes benchmarks/ROLLOUTS.md
	$(BIN)/python -m benchmarks.rollouts $(ROLLOUTS)

bench-splits: .venv/test ## Time the choice of a version of a split, and predictions with and without one
	$(BIN)/python -m benchmarks.splits

bench-growth: .venv/test ## Compare a registry of 100,000 versions with one of 200
	$(BIN)/python -m benchmarks.growth $(GROWTH)

bench-hosts: .venv/test ## Measure what the protocol of hosts costs on PostgreSQL; HOSTS=--write writes benchmarks/HOSTS.md
	$(BIN)/python -m benchmarks.hosts $(HOSTS)

bench-telemetry: .venv/test ## Time the counting of predictions by version
	$(BIN)/python -m benchmarks.telemetry

simulate-guards: .venv/test ## Simulate the guards of rollouts: false alarms and delays
	$(BIN)/python -m benchmarks.guards $(GUARDS)

lint: .venv/test ## Run linters, types and import rules
	$(RUFF)
	$(TYPES)

lock: .venv/test ## Update the lock files requirements*.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade \
		--group build pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade \
		--group build --all-extras -c requirements.txt pyproject.toml -o requirements-extras.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade \
		--group build --group dev --all-extras -c requirements-extras.txt pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command 'make lock' --upgrade \
		--group browser -c requirements-dev.txt -o requirements-browser.txt

# The peers use our versions of the libraries that compute predictions, so that these can be equal.
lock-bench: .venv/test ## Update the lock files of the benchmark's peers
	mkdir -p build
	sed -nE 's/^((joblib|numpy|pandas|scikit-learn|scipy)==[^\\]*[^\\ ]) *\\?$$/\1/p' requirements.txt > build/answers.txt
	for name in requirements requirements-mlserver; do \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command 'make lock-bench' --upgrade \
			-c build/answers.txt benchmarks/$$name.in -o benchmarks/$$name.txt || exit 1; \
	done

lock-clients: .venv/test ## Update the lock files of the clients of other systems
	for name in requirements requirements-mlserver requirements-mlflow; do \
		$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--custom-compile-command 'make lock-clients' --upgrade \
			tests/clients/$$name.in -o tests/clients/$$name.txt || exit 1; \
	done

release: .venv/test ## Build the sdists and wheels of the service and of its client into dist/
	rm -rf dist
	$(BIN)/python release.py

clean: ## Remove the environment, the caches and everything that the service wrote
	rm -f registry/*/*.so cli/*.so
	rm -rf .venv .venv-bench .venv-bench-mlserver .venv-clients .venv-clients-mlserver .venv-clients-mlflow build dist client/build *.egg-info client/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find artifacts -mindepth 1 ! -name .gitkeep -delete

.venv/bin/python:
	$(PYTHON) -m venv .venv

# pip would also compile the tests of the libraries, a third of all byte code. The first start cannot compile
# instead: confined processes may not write, so each upload would compile skl2onnx again.
.venv/serve: requirements.txt pyproject.toml client/hotswap/_version.py $(wildcard registry/*.h registry/*/*.[ch] cli/*.[ch]) | .venv/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -qq -j 0 -x '/(pip|tests)/' .venv/lib
	@touch $@

.venv/extras: requirements-extras.txt .venv/serve
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-extras.txt
	@touch $@

.venv/test: requirements-dev.txt .venv/serve
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

.venv/browser: requirements-browser.txt .venv/test
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-browser.txt
	@touch $@

.venv-bench/done: benchmarks/requirements.txt
	$(PYTHON) -m venv --clear .venv-bench
	.venv-bench/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

.venv-bench-mlserver/done: benchmarks/requirements-mlserver.txt
	$(PYTHON) -m venv --clear .venv-bench-mlserver
	.venv-bench-mlserver/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

.venv-clients/done: tests/clients/requirements.txt
	$(PYTHON) -m venv --clear .venv-clients
	.venv-clients/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

.venv-clients-mlserver/done: tests/clients/requirements-mlserver.txt
	$(PYTHON) -m venv --clear .venv-clients-mlserver
	.venv-clients-mlserver/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

.venv-clients-mlflow/done: tests/clients/requirements-mlflow.txt client/pyproject.toml
	$(PYTHON) -m venv --clear .venv-clients-mlflow
	.venv-clients-mlflow/bin/python -m pip install --quiet --require-hashes -r $<
	.venv-clients-mlflow/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable client
	@touch $@
