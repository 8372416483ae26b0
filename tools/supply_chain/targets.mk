# What the installation is made of, and whether anything in it is known to be vulnerable. The tools live in an
# environment of their own: what checks the dependencies is none of them.
SUPPLY := .cache/supply_chain
SBOM ?= build/axbridge.cdx.json

.PHONY: sbom audit

$(SUPPLY)/.installed: tools/supply_chain/tools.lock
	$(PYTHON) -m venv $(SUPPLY)/venv
	$(SUPPLY)/venv/bin/python -m pip install --quiet --require-hashes -r tools/supply_chain/tools.lock
	touch $@

sbom: $(SUPPLY)/.installed ## Write a bill of materials (CycloneDX) of what requirements.lock installs
	mkdir -p $(dir $(SBOM))
	$(SUPPLY)/venv/bin/python -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml \
		--mc-type application --output-format JSON --spec-version 1.6 --output-reproducible -o $(SBOM)
	@echo "wrote $(SBOM)"

audit: $(SUPPLY)/.installed ## Ask PyPI's advisory service about every locked dependency (needs the internet)
	$(SUPPLY)/venv/bin/python tools/supply_chain/audit.py requirements.lock requirements-dev.lock
