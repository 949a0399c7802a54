# make run    build everything and run it on embedded defaults with a simulated fleet
# make test   install what the tests need and run every test, with make lint before them
# make bench  measure, with peers in the same run
.PHONY: run build test bench screenshots lint clean dashboard

CARGO ?= cargo
DASHBOARD_SOURCES = bridge/push/src/rest/openapi.json $(shell find dashboard/app dashboard/client -type f ! -name openapi.d.ts 2>/dev/null) $(wildcard dashboard/package*.json dashboard/*.ts dashboard/*.html)

run: build
	@scripts/demo

build: dashboard/dist/index.html
	$(CARGO) build --release --package tidegate --package tidegate-sim

dashboard: dashboard/dist/index.html

dashboard/node_modules/.installed: dashboard/package-lock.json
	cd dashboard && npm ci --no-audit --no-fund
	@touch $@

dashboard/dist/index.html: dashboard/node_modules/.installed $(DASHBOARD_SOURCES)
	cd dashboard && npm run build
	@touch $@

test: dashboard/dist/index.html
	tests/setup
	$(MAKE) lint
	cd dashboard && npm test
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace

bench: build
	tests/setup
	target/release/tidegate-sim bench --centrifuge "$$(tests/servers/centrifuge/build)" --centrifuge-batch 64 --influxd "$$(tests/servers/influxdb)" --influx "$$(tests/servers/influx-cli)" $(BENCH)
	INFLUXD=$$(tests/servers/influxdb) $(CARGO) test --release --package tidegate-store --test figures -- --ignored --nocapture --test-threads 1
	$(CARGO) test --release --package tidegate-broker --test gate load:: -- --ignored --nocapture --test-threads 1
	$(CARGO) run --release --package tidegate-identity --example rights

screenshots: build
	tests/setup
	tests/screenshots docs/screenshots

lint: dashboard/node_modules/.installed
	cd dashboard && npm run lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	tests/dependencies

clean:
	$(CARGO) clean
	rm -rf dashboard/dist dashboard/node_modules data-demo
