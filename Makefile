# SPDX-License-Identifier: GPL-3.0-or-later
PREFIX ?= /usr
DESTDIR ?=
export PREFIX DESTDIR
# As it was typed: make would take a $ for one of its own variables.
override export CMD := $(value CMD)

.PHONY: help run stop test unit check bench attack fuzz install uninstall generate clean

help:
	@echo 'make run [CMD="..."]   enter the default container, after installing and starting what it takes'
	@echo 'make stop              end what "make run" started'
	@echo 'make test              all tests, with what they need installed first'
	@echo 'make unit              only the tests that need no Incus'
	@echo 'make check             format, lint and types'
	@echo 'make attack            try to get out of containers, and count what is refused'
	@echo 'make fuzz              call the daemon with nonsense for long; CALLS=500000'
	@echo 'make bench             measure, and compare with the budgets'
	@echo 'make install           into DESTDIR; PREFIX=/usr'
	@echo 'make uninstall         remove what "make install" put there'
	@echo 'make generate          man pages and completions into build/generated'

run:
	@scripts/run

stop:
	@scripts/as-root scripts/services down

test:
	@scripts/test

unit:
	@scripts/environment --dev
	@scripts/unit-tests

check:
	@scripts/environment --dev
	@scripts/check

bench:
	@scripts/bench

attack:
	@scripts/attack

fuzz:
	@scripts/fuzz

install:
	@scripts/install

uninstall:
	@scripts/uninstall

generate:
	@scripts/environment --dev
	@scripts/generate build/generated

clean:
	rm -rf build dist .venv .mypy_cache .pytest_cache .ruff_cache
