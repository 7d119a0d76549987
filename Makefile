# SmartCORE HEMS. "make run" runs the appliance here, "make test" tests it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO      ?= go
BIN     := build/bin
UI      := internal/gateway/ui
# A version orders releases (semver.org): by the number of commits before a
# release, and by VERSION=0.3.0 for one.
VERSION := 0.3.0-dev.$(shell git rev-list --count HEAD 2>/dev/null || echo 0)+g$(shell git rev-parse --short=7 HEAD 2>/dev/null || echo 0)$(shell git diff --quiet HEAD 2>/dev/null || echo .dirty)
LDFLAGS := -s -w -X github.com/smartcore-ireland/hems/appliance.Version=$(VERSION)
IMAGE   := build/hems.img
KEYS    := build/keys
PROGRAMS := hems hems-broker hems-gateway hems-manager hems-metrics hems-simulator hems-zigbee
export CGO_ENABLED := 0

.PHONY: help run build ui hems keys image pins flash release vm test lint unit e2e testservers vmtest vmtools interop differential bench torture fuzz clean

help: ## show this
	@grep -E '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## run the whole appliance here (DONGLE=/dev/ttyACM0 for a real stick; DEVICES="EMIZB-141,SPLZB-131" for more of a home)
	@HEMS_DONGLE="$(or $(DONGLE),$(HEMS_DONGLE))" exec $(BIN)/hems run $(if $(DEVICES),-simulator '-devices $(DEVICES)')

build: ui ## build every program into build/bin
	@mkdir -p $(BIN)
	@.ci/progress build $(GO) build -v -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ $(PROGRAMS:%=./cmd/%)

hems: ui
	@mkdir -p $(BIN)
	@.ci/progress "this machine's side" $(GO) build -v -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/hems

keys: hems ## make the keys that sign releases, build/keys, unless they are there ("make clean" keeps them)
	@test -e $(KEYS)/signing.pem || $(BIN)/hems keys new $(KEYS)

image: hems keys build/gok ## build the SD card's image for the Raspberry Pi, build/hems.img
	@PATH="$$PATH:/usr/sbin:/sbin" .ci/need mkfs.ext4=e2fsprogs
	@$(BIN)/hems image -gok build/gok -keys $(KEYS) -o $(IMAGE)

release: image ## build a signed release for cards in use, build/hems-VERSION.hems (VERSION=0.3.0 NOTES="what is new")
	@$(BIN)/hems release -image $(IMAGE) -keys $(KEYS) -notes "$${NOTES:-}"

build/gok: image/gok/go.mod image/gok/go.sum
	@mkdir -p build
	@.ci/progress gok $(GO) build -C image/gok -v -trimpath -o ../../$@ github.com/gokrazy/tools/cmd/gok

$(IMAGE):
	@$(MAKE) image

pins: hems keys ## after a change to go.mod: write the sums of what goes on the card into builddir
	@$(BIN)/hems image -pin -keys $(KEYS)

flash: hems | $(IMAGE) ## write the image to a card: DISK=/dev/sdX (FLASH="-host-name energy -claim", and what else hems help shows)
	@test -n "$(DISK)" || { echo "error: name the disk: make flash DISK=/dev/sdX"; echo "hint: lsblk lists them"; exit 1; }
	@PATH="$$PATH:/usr/sbin:/sbin" .ci/need debugfs=e2fsprogs
	@sudo=; test -w "$(DISK)" || sudo=sudo; exec $$sudo $(BIN)/hems flash -image $(IMAGE) $(FLASH) $(DISK)

vm: build | $(IMAGE) ## boot the image in QEMU with a simulated dongle and home
	@PATH="$$PATH:/usr/sbin:/sbin" .ci/need qemu-system-aarch64=qemu-system-arm debugfs=e2fsprogs
	@exec $(BIN)/hems vm -image $(IMAGE)

ui: $(UI)/dist/main.js ## bundle the dashboard

UI_SOURCES := $(shell find $(UI) -path $(UI)/node_modules -prune -o -path $(UI)/dist -prune -o -type f -print)

$(UI)/node_modules/.package-lock.json: $(UI)/package.json $(UI)/package-lock.json
	@.ci/need node=nodejs npm
	@echo "ui: installing esbuild, typescript, uplot"
	@cd $(UI) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(UI)/dist/main.js: $(UI)/node_modules/.package-lock.json $(UI_SOURCES)
	@cd $(UI) && npm run --silent build
	@touch $@

test: lint unit e2e ## all tests but the interoperability ones (needs chromium; installs it where it may)

lint: ui ## gofmt, vet, staticcheck, the dashboard's types
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); test -z "$$unformatted" || { echo "error: not formatted: $$unformatted"; echo "hint: gofmt -w $$unformatted"; exit 1; }
	@echo "lint: vet"
	@$(GO) vet ./... && $(GO) vet -tags e2e,interop,bench,vm ./...
	@echo "lint: staticcheck"
	@$(GO) tool staticcheck -tags e2e,interop,bench,vm ./...
	@cd $(UI) && npm run --silent check

unit: ui ## unit tests with the race detector
	@.ci/need gcc /usr/include/stdlib.h=libc6-dev openssl curl
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...

e2e: build testservers ## the real programs end to end, with a real browser and real time-series servers
	@.ci/need chromium mosquitto_pub=mosquitto-clients zbarimg=zbar-tools
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags e2e -count=1 -timeout 15m ./internal/e2e/... ./internal/gateway/... ./internal/metrics/... ./internal/remote/...

# They take some eight minutes on two processors, once; more than a test may.
SERVERS ?= victoria-metrics influxd1 influxd2 lineparser cloudflared fakeedge
testservers: ## build the time-series servers that tests write to and count at, unless they are there
	@.ci/need gcc /usr/include/stdlib.h=libc6-dev
	@.ci/progress "servers for tests" $(GO) run ./internal/testservers/build $(SERVERS)

VMTEST = HEMS_BIN=$(abspath $(BIN)) HEMS_IMAGE=$(abspath $(IMAGE)) HEMS_KEYS=$(abspath $(KEYS)) HEMS_BUNDLE=$(abspath build/vmtest.hems) $(GO) test -tags vm -count=1 -v -p 1

vmtools: build | $(IMAGE)
	@PATH="$$PATH:/usr/sbin:/sbin" .ci/need qemu-system-aarch64=qemu-system-arm mcopy=mtools debugfs=e2fsprogs sfdisk=fdisk fsck.vfat=dosfstools unsquashfs=squashfs-tools
	@$(BIN)/hems release -image $(IMAGE) -keys $(KEYS) -o build/vmtest.hems >/dev/null

vmtest: vmtools ## the card in QEMU: boot, pair, power cut, updates good and broken, gok
	$(VMTEST) -timeout 50m ./internal/update/bootpart ./internal/update/release ./image ./internal/e2e

interop: build ## the real Home Assistant behind our gateway and on our broker, the real Zigbee2MQTT and bellows on our simulated dongle, Zigbee2MQTT and ours through one script (fails where they differ and internal/interop/testdata/differences.json does not say so), other people's MQTT clients on our broker, its bridges to Mosquitto and a cluster, and Mosquitto beside it on the same access list and passwords (installs them from npm, PyPI, Debian and as Go modules)
	@PATH="$$PATH:/usr/sbin:/sbin" .ci/need node=nodejs npm python3 mosquitto mosquitto_rr=mosquitto-clients stdbuf=coreutils
	@python3 -c 'import ensurepip, venv' 2>/dev/null || .ci/need python3-venv
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags interop -count=1 -v -timeout 30m -parallel 4 -skip '^TestSideBySide$$' ./internal/interop/... ./internal/broker/uplink ./internal/broker/acl ./internal/broker/passwd

differential: build ## only the comparison of interop; UPDATE=1 writes the list anew, RECORD=DIR what either published
	@.ci/need node=nodejs npm
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags interop -count=1 -v -timeout 20m -run '^TestDifferential$$' ./internal/interop -args $(if $(UPDATE),-update) $(if $(RECORD),-record $(abspath $(RECORD)))

bench: build ## benchmarks, the time from radio to MQTT subscriber, and side by side with the real Mosquitto, nginx, telegraf and Zigbee2MQTT
	$(GO) test -run '^$$' -bench . -benchmem -timeout 40m ./internal/...
	@PATH="$$PATH:/usr/sbin" .ci/need mosquitto
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags interop,bench -count=1 -v -timeout 30m -run '^(TestAgainstMosquitto|TestOthersAreNotSlowedDown)$$' ./internal/broker/load
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags e2e -count=1 -v -run TestRadioToSubscriber ./internal/e2e -args -bench-reports 1000
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags bench -count=1 -v -run '^TestWear$$' ./internal/e2e/durability
	$(GO) test -tags bench -count=1 -v -timeout 60m -run '^(TestFigures|TestYearOfDays)$$' ./internal/store
	@$(MAKE) testservers SERVERS="influxd1 telegraf"
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags bench -count=1 -v -timeout 60m -run '^(TestAgainstTelegraf|TestWrittenADay)$$' ./internal/e2e/readings
	@.ci/need node=nodejs npm
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags interop,bench -count=1 -v -timeout 30m -run '^TestSideBySide$$' ./internal/interop
	@PATH="$$PATH:/usr/sbin" .ci/need nginx=nginx-light wrk
	PATH="$$PATH:/usr/sbin" $(GO) test -tags bench -count=1 -v -timeout 15m -run '^TestAgainstNginx$$' ./internal/gateway/front

TORTURE ?= 2000
POWERCUTS ?= 20
KILLS ?= 100
torture: vmtools testservers ## the power cut at every write of updates, TORTURE times each (default 2000), and POWERCUTS times in QEMU (default 20); the same of the broker's journal, and KILLS kills and power cuts of the broker under load and of the store (default 100); TORTURE damages to the store's file; KILLS kills of the metrics writer and of the broker and half as many power cuts, with every reading counted at real databases
	$(GO) test -count=1 -v -timeout 60m -run '^TestEveryCut$$' ./internal/broker/journal -args -torture $$(( $(TORTURE) / 4 ))
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags e2e -count=1 -v -timeout 60m -run '^(TestKills|TestPowerCuts)$$' ./internal/e2e/durability -args -kills $(KILLS) -cuts $(KILLS)
	$(GO) test -tags e2e -count=1 -v -timeout 60m -run '^(TestKills|TestPowerCuts)$$' ./internal/e2e/storage -args -kills $(KILLS) -cuts $(KILLS)
	$(GO) test -count=1 -v -timeout 60m -run '^(TestEveryPageZero|TestRandomDamage)$$' ./internal/store -args -damages $(TORTURE)
	HEMS_BIN=$(abspath $(BIN)) $(GO) test -tags e2e -count=1 -v -timeout 60m ./internal/e2e/readings -args -kills $(KILLS) -cuts $$(( $(KILLS) / 2 )) -month-every 30s
	$(GO) test -count=1 -v -timeout 60m -run '^TestEveryCut$$' ./internal/update/slot -args -torture $(TORTURE)
	$(VMTEST) -timeout 120m -run '^TestPowerCutsDuringUpdates$$' ./internal/e2e -args -power-cuts $(POWERCUTS)

# Making each interesting input smaller takes up to a minute otherwise, in which
# nothing new is tried.
FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME (default 30s)
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "fuzz: $$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
		done; \
	done

clean: ## remove what was built (the data in ./run and the keys in build/keys stay)
	@mkdir -p build
	find build -mindepth 1 -maxdepth 1 ! -path $(KEYS) -exec rm -rf {} +
	rm -rf $(UI)/node_modules $(UI)/dist/*
