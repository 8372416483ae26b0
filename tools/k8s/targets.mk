# What concerns Kubernetes: the image, the chart, the manifests rendered from it, and the tests that run them.
K8S := .cache/k8s
RENDER := $(BIN)/python tools/k8s/render_manifests.py --helm $(K8S)/helm4 --kubectl $(K8S)/kubectl
IMAGE ?= localhost/axbridge:0.1.0

.PHONY: manifests manifests-check image chart-test k8s-test k8s-clean

$(K8S)/.fetched: tools/k8s/clients.lock $(VENV)/.runtime
	$(BIN)/python tools/k8s/fetch_clients.py $(K8S)
	touch $@

# In an environment of its own: its dependencies are many and none of ours.
$(K8S)/checkov/.installed: tools/k8s/checkov.lock
	$(PYTHON) -m venv $(K8S)/checkov
	nice -n 10 $(K8S)/checkov/bin/python -m pip install --quiet --require-hashes -r tools/k8s/checkov.lock
	touch $@

manifests: $(VENV)/.dev $(K8S)/.fetched ## Render deploy/k8s and the schema of the chart's values anew
	$(RENDER)

manifests-check: $(VENV)/.dev $(K8S)/.fetched ## Fail when deploy/k8s or the schema is stale
	$(RENDER) --check

image: ## Build the container image with podman (as root)
	tools/k8s/install_system_packages.sh
	tools/k8s/base_image.sh docker.io/library/python:3.11-slim-bookworm python3 python3-pip python3-venv
	tools/k8s/build_image.sh $(IMAGE)

chart-test: manifests-check $(K8S)/checkov/.installed ## Test the chart: every combination of switches, schemas, policies
	$(BIN)/python -m pytest tests/k8s/chart

k8s-test: chart-test image ## Test the chart, build the image, run what is rendered under podman (as root)
	tools/k8s/stand_in_images.sh $(BIN)
	$(BIN)/python -m pytest tests/k8s/run

k8s-clean: ## Remove the images and containers of the tests, and the programs fetched for them
	tools/k8s/podman system reset --force
	rm -rf $(K8S)
