# Hearth's commands; `make` alone lists them. STACK names the environment.
STACK ?= local
BOOT := python3 -m bootstrap
RUN := . .hearth/env.sh &&
# What asks hosts needs Python packages; on a bare machine there is only what says that they are missing.
CAN_ASK := [ -e .hearth/env.sh ] && [ -e .venv/bin/python ]

.DEFAULT_GOAL := help
.PHONY: help up down purge preview review drift repair policy adopt observe report silence doctor env images check test golden bench bench-plan bench-drift accuracy clean dev-tools left-by-killed-tests

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: ## bring what is missing, deploy STACK (default local; HOSTS=gpu: to these alone), and ask it one question
	@$(BOOT) up --stack $(STACK) $(if $(HOSTS),--hosts '$(HOSTS)') $(if $(PLAN),--plan $(PLAN))

down: ## remove what was deployed; data stays
	@$(BOOT) down --stack $(STACK)

purge: ## remove what was deployed and its data, after asking (YES=1: without)
	@$(BOOT) purge --stack $(STACK) $(if $(YES),--yes)

preview: ## show what up would change
	@$(BOOT) preview --stack $(STACK)

review: ## render what would change for reviewers, and keep the plan for up PLAN= (MARKDOWN=FILE, JSON=1)
	@$(BOOT) review --stack $(STACK) $(if $(JSON),--json) $(if $(MARKDOWN),--markdown $(MARKDOWN))

drift: ## compare what runs on every host with what is declared; ends with 7 on drift (EXPLAIN=1, JSON=1, MARKDOWN=FILE)
	@$(BOOT) drift --stack $(STACK) $(if $(EXPLAIN),--explain) $(if $(JSON),--json) $(if $(MARKDOWN),--markdown $(MARKDOWN))

repair: ## make anew what differs, also what `up` would leave as it is
	@$(BOOT) repair --stack $(STACK)

observe: ## compare what engines of STACK report with the plan (SAVE=1: keep it in calibration.json)
	@$(RUN) python -m infra observe --stack $(STACK) $(if $(SAVE),--save) $(if $(JSON),--json)

report: ## write report.html: ledger, plan against observed, alerts and charts of the last HOURS (6)
	@$(RUN) python -m infra report --stack $(STACK) --html report.html $(if $(HOURS),--hours $(HOURS))

silence: ## silence the alerts of STACK for a time (FOR=30min), or END=1; without either list them
	@$(RUN) python -m infra silence --stack $(STACK) $(if $(END),--end,$(if $(FOR),--for $(FOR),--list))

policy: ## check what STACK deploys against rules (JSON=1); pulumi preview --policy-pack policy does it in the engine
	@$(RUN) python -m infra policy --stack $(STACK) $(if $(JSON),--json)

adopt: ## say a compose project in Hearth's words (COMPOSE=file; ARGS='--gpu H100-80GB --write Pulumi.mine.yaml')
	@$(RUN) python -m infra adopt $(COMPOSE) $(ARGS)

doctor: ## say what is missing here, then ask the hosts of STACK whether they can run it (JSON=1: machine-readable)
ifdef JSON
	@machine=$$($(BOOT) doctor --stack $(STACK) --json); code=$$?; hosts=null; \
	if $(CAN_ASK); then $(RUN) hosts=$$(python -m infra doctor --stack $(STACK) --json) || code=1; fi; \
	printf '{"machine": %s,\n"hosts": %s}\n' "$$machine" "$${hosts:-null}"; exit $$code
else
	@$(BOOT) doctor --stack $(STACK); code=$$?; \
	if $(CAN_ASK); then $(RUN) python -m infra doctor --stack $(STACK) || code=1; fi; exit $$code
endif

env: ## print the variables that plain pulumi commands need
	@$(BOOT) env

images: ## build the images from packages
	@$(BOOT) prepare --stack $(STACK)

dev-tools:
	@$(BOOT) prepare --dev --stack $(STACK)

check: dev-tools ## format, lint, types, unit tests and golden files: what CI runs first
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) python -m pytest tests/unit -q

left-by-killed-tests: dev-tools
	@$(RUN) python -m tests.integration.orphans

test: left-by-killed-tests check ## check, then the whole stack and every promise on real parts
	$(RUN) python -m pytest tests/integration --reruns 1 -raR

golden: dev-tools ## write the golden files anew; review the difference
	$(RUN) python -m tests.golden_files

bench: dev-tools ## measure, and write docs/benchmarks.md
	$(RUN) python -m bench

bench-plan: dev-tools ## measure the planner alone, and write docs/benchmarks-plan.md
	$(RUN) python -m bench.planner

bench-drift: dev-tools ## measure the drift check against ansible-playbook --check, and write docs/benchmarks-drift.md
	$(RUN) python -m bench.drift

accuracy: dev-tools ## predict every logged start of vLLM, and write docs/accuracy.md
	$(RUN) python -m bench.accuracy

clean: ## remove caches of the tools; .hearth and data stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
