# The alerts, as Prometheus itself reads and tests them. No part of `make check`: promtool comes from Debian's archive, or
# from an installed Prometheus, and from no package index.
ALERTS := deploy/monitoring

.PHONY: alerts-check

alerts-check: ## Check the alert rules and run their tests (needs promtool, or Debian 12 to fetch it from)
	promtool=$$(tools/monitoring/promtool.sh .cache/monitoring) && \
		$$promtool check rules $(ALERTS)/alerts/*.yaml && \
		$$promtool test rules $(ALERTS)/tests/*.yaml
