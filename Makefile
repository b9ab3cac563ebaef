# Copyright 2026 The model_pruning Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Needs only python3, git and make: every target makes the virtual environment it
# runs in (tools/env.sh) and reuses it the next time.

# Passed on to the programs behind the targets.
DEMO_FLAGS =
BENCH_FLAGS =
# build_time and small_weights compare with tf.contrib where there is one: on TensorFlow 1.15.5.
# keras_update, small_layers and by_number make an environment with tfmot, to compare with it: no test
# needs that one.
BENCH = mask_update small_weights small_layers by_number groups patterns build_time idle startup inference \
  keras_update channels traffic scaling
# Processes that share the tests of a shard; 0 is none beside pytest's own.
WORKERS = 2
PYTEST_FLAGS = -n $(WORKERS) --dist loadgroup
# A whole suite runs in so many processes, one after the other, to bound the memory of each. With
# SHARD=2, only the second of them.
SHARDS = 4
# Of mutants; --help says more.
MUTANTS_FLAGS =
# How many times as many random cases `make soak` runs.
SOAK = 20

.PHONY: help demo check test test-slow test-long test-all mutants test-tf1.15 test-tf2.8 test-tf2.13 \
  test-tf2.15 test-tf2.21 \
  test-keras-3 test-legacy-keras test-nightly \
  test-tpu gpu-kernels programs bench soak lint typecheck build-check docs docs-site wheel-test bazel-test \
  clean distclean

help:
	@echo "make demo       train and prune the digits net, into out/digits"
	@echo "make check      the first minute: strings, masks against the oracle, a session, Keras"
	@echo "make test       the fast tests, on the TensorFlow that fits your python3"
	@echo "make test-slow  the others: whole programs, round trips, real architectures"
	@echo "make test-all   all of them on each of TensorFlow 1.15.5, 2.15.1 and 2.21: for hours"
	@echo "make test-tf2.8  some of them on an older TensorFlow 2"
	@echo "make test-nightly  the fast tests on the nightly builds of TensorFlow and Keras"
	@echo "make test-tpu   compiles mask updates for TPUs, without one"
	@echo "make gpu-kernels checks, without a GPU, that mask updates stay on one"
	@echo "make programs   whole programs in the styles of users, on each TensorFlow, as a table"
	@echo "make mutants    plants faults in the package and counts those that the fast tests notice"
	@echo "make bench      the benchmarks: $(BENCH)"
	@echo "make soak       the random tests with SOAK=$(SOAK) times as many cases"
	@echo "make lint       ruff, and whether the BUILD files match the imports"
	@echo "make typecheck  mypy over the package"
	@echo "make docs       the documentation and the API reference as a site, into out/site"
	@echo "make wheel-test build the wheel, install and import it outside the checkout"
	@echo "make bazel-test bazel build //... and a few tests, offline"
	@echo "make clean      remove what was built; distclean: the environments too"
	@echo
	@echo "Variables: DEMO_FLAGS, BENCH, BENCH_FLAGS, MUTANTS_FLAGS, SOAK,"
	@echo "PYTEST_FLAGS (now: $(PYTEST_FLAGS)),"
	@echo "MODEL_PRUNING_ENVS (where the environments live; now .envs in the checkout)."

# The code in pages and docstrings.
DOCS_TESTS = tests/repository/test_docs.py

# The checkout itself is what runs: Python finds the package in the current folder.
demo:
	@tools/with_env.sh auto -m examples.digits.train --output_dir=out/digits $(DEMO_FLAGS)

# Of each layer the tests that fail first.
CHECK = tests/hparams/test_spec.py tests/hparams/test_hparam.py tests/engine/test_patterns.py tests/engine/test_selection.py \
  tests/engine/test_n_of_m.py tests/engine/test_conformance.py tests/graph/test_pruning.py tests/keras/test_conformance.py

check:
	@NAME=check tools/test.sh auto $(PYTEST_FLAGS) -m "not slow" $(CHECK)

# Without those that take long, unless PYTEST_FLAGS say which tests to run.
test: PYTEST_FLAGS += -m "not slow"
test:
	@SHARDS=$(SHARDS) tools/test.sh auto $(PYTEST_FLAGS)

# Of any leg, on this one.
test-slow:
	@MODEL_PRUNING_LEGS="default oldest newest tf_keras" NAME=slow SHARDS=$(SHARDS) tools/test.sh auto $(PYTEST_FLAGS) -m slow

# Those that run on one TensorFlow only.
test-long:
	@NAME=long tools/test.sh auto $(PYTEST_FLAGS) -m long

# With what tests/legs.py gives to other legs, or to none.
test-all: export MODEL_PRUNING_LEGS =
test-all: test-tf1.15 test-tf2.15 test-tf2.21

# Those that take minutes, and do not depend on the version, run once: in test-long. Others run
# on the legs that tests/legs.py says.
test-tf1.15 test-tf2.13 test-tf2.15 test-keras-3: PYTEST_FLAGS += -m "not long"

test-tf1.15: SHARDS = 2
test-tf1.15 test-tf2.13 test-tf2.15:
	@SHARDS=$(SHARDS) tools/test.sh $(@:test-%=%) $(PYTEST_FLAGS)

test-keras-3:
	@SHARDS=$(SHARDS) tools/test.sh tf2.21 $(PYTEST_FLAGS)

# The fast tests on the nightly builds of TensorFlow and Keras. Not in CI.
test-nightly: PYTEST_FLAGS += -m "not slow"
test-nightly:
	@tools/test.sh nightly $(PYTEST_FLAGS)

# What an older TensorFlow 2 is most likely to have in another way. Other tests use what it lacks.
test-tf2.8: export MODEL_PRUNING_LEGS = default
test-tf2.8: PYTEST_FLAGS += -m "not slow"
test-tf2.8:
	@tools/test.sh tf2.8 $(PYTEST_FLAGS) tests/graph/test_pruning.py tests/keras/test_callbacks.py \
	  tests/keras/test_conformance.py tests/keras/test_files.py tests/keras/test_updates.py \
	  tests/keras/test_older.py

# Twice: with Keras 3, and those that bear the marker with the legacy Keras, which are few.
test-tf2.21: test-keras-3
	@$(MAKE) --no-print-directory test-legacy-keras SHARDS=1

test-legacy-keras: SHARDS = 1
test-legacy-keras:
	@if grep -rqs --include='*.py' 'mark[.]legacy_keras' tests; then \
	  TF_USE_LEGACY_KERAS=1 NAME=tf2.21-legacy-keras SHARDS=$(SHARDS) \
	    tools/test.sh tf2.21 $(PYTEST_FLAGS) -m legacy_keras; \
	else \
	  echo "no test bears the marker legacy_keras"; \
	fi

# Whole programs as users write them, as a table: program, TensorFlow (and Keras), result. Those of
# Keras run on Keras 2, Keras 3 and tf_keras.
programs:
	@status=0; for leg in tf1.15 tf2.15 tf2.21; do \
	  tools/with_env.sh $$leg -m tests.programs.run 2>/dev/null || status=1; \
	done; \
	for leg in tf2.15 tf2.21; do \
	  tools/with_env.sh $$leg -m tests.programs.keras.run 2>/dev/null || status=1; \
	done; \
	TF_USE_LEGACY_KERAS=1 tools/with_env.sh tf2.21 -m tests.programs.keras.run 2>/dev/null || status=1; \
	exit $$status

# TensorFlow lowers in the environment of the leg, libtpu compiles in one of its own.
test-tpu:
	@NAME=tpu tools/test.sh auto -s -m tpu tests/tpu/test_compile.py

# TensorFlows built with CUDA, for their tables of kernels. CI looks up most updates in the newer one,
# and in the older one those that have most kinds of nodes.
gpu-kernels: MOST_NODES = 20 of 40,second-order gradient,histogram and decay,global,lamp
gpu-kernels: MOST = elementwise,blocks by mean,2 of 4,first-order gradient,decay,$(MOST_NODES)
gpu-kernels: export TF_CPP_MIN_LOG_LEVEL = 3
gpu-kernels:
	@tools/with_env.sh tf2.15-cuda -m tools.gpu_kernels \
	  $(if $(CI),--shapes=large "--updates=$(MOST_NODES)")
	@tools/with_env.sh tf2.21-cuda -m tools.gpu_kernels $(if $(CI),"--updates=$(MOST)")

bench:
	@for name in $(BENCH); do \
	  echo "benchmarks.$$name" && tools/with_env.sh auto -m benchmarks.$$name $(BENCH_FLAGS) || exit 1; \
	done

# The tests multiply their numbers of random cases by MODEL_PRUNING_SOAK.
soak:
	@MODEL_PRUNING_SOAK=$(SOAK) NAME=soak tools/test.sh auto $(PYTEST_FLAGS)

# Not in CI: a quarter of an hour on two cores.
mutants:
	@tools/with_env.sh auto -m tools.mutants $(MUTANTS_FLAGS)

lint: build-check
	@tools/with_env.sh lint -m ruff check .

typecheck:
	@tools/with_env.sh lint -m mypy

build-check:
	@tools/with_env.sh lint tools/check_build.py

# Fails on a public name without a docstring, a broken link, and an example that does not run.
docs:
	@tools/with_env.sh auto -m pytest -q $(DOCS_TESTS)
	@$(MAKE) --no-print-directory docs-site

docs-site:
	@NO_MKDOCS_2_WARNING=1 tools/with_env.sh docs -m mkdocs build --strict --quiet
	@echo "out/site/index.html"

wheel-test:
	@tools/wheel_test.sh

bazel-test:
	@tools/bazel_test.sh

clean:
	rm -rf out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.envs/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .envs
