# SPDX-License-Identifier: MIT
# tocsin. `make help` lists the targets.
#
#   TOOLCHAIN=native   one of toolchains/*.mk; what it builds is in $(BUILD)/$(TOOLCHAIN)
#   SANITIZE=1         the program with ASan and UBSan, in a folder of its own
#   LAYERS="base wire" only these layers in the library (the lower ones of: base wire outbox alarm)
#   BUILD=build        where everything built goes (two runs at a time need two folders)
#   V=1                shows the commands

ifneq ($(firstword $(sort 4.0 $(MAKE_VERSION))),4.0)
  $(error GNU make 4.0 or newer is needed; this is $(MAKE_VERSION))
endif

TOOLCHAIN  ?= native
BUILD      ?= build
ALL_LAYERS := base wire outbox alarm
LAYERS     ?= $(ALL_LAYERS)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
Q := $(if $(V),,@)
comma := ,
say = $(if $(V),,@printf '  %-5s %s\n' '$1' '$(patsubst $(BUILD)/%,%,$2)')

ifeq ($(wildcard toolchains/$(TOOLCHAIN).mk),)
  $(error no toolchains/$(TOOLCHAIN).mk; there are: $(basename $(notdir $(wildcard toolchains/*.mk))))
endif
include toolchains/$(TOOLCHAIN).mk

ifeq ($(origin CC),default)
  CC := $(CROSS)gcc
endif
ifeq ($(origin CXX),default)
  CXX := $(CROSS)g++
endif
ifeq ($(origin AR),default)
  AR := $(CROSS)ar
endif
NM    ?= $(CROSS)nm
SIZE  ?= $(CROSS)size
STRIP ?= $(CROSS)strip

# ---- flags -----------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-qual \
        -Wnon-virtual-dtor -Wswitch-enum -Wimplicit-fallthrough -Wundef -Wformat=2 -Werror
CORE := -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics -ffunction-sections -fdata-sections \
        -Iinclude $(ARCH)
# Nothing is thrown, and a debugger has .debug_frame: tables for unwinding would be an eighth of the program.
# Functions that are next to nothing go where they are called: else the length of each literal is counted when it runs.
SHIP_FLAGS   = $(CORE) $(WARN) -Os -g --param max-inline-insns-size=1 -fno-asynchronous-unwind-tables \
               -fno-unwind-tables $(SHIP_EXTRA)
CHECK_FLAGS := $(CORE) $(WARN) -O1 -g $(SANITIZER) $(CHECK_CPP)
CHECK_CXX   ?= $(CXX)
# What only code outside the portable layers sees: the folders beside it, and Mbed TLS.
OUTER      := -I. $(TLS_CPP)
OUTER_TEST := -I. -Itests $(TLS_CPP)

# ---- what is built ---------------------------------------------------------------------------------------
# Every object exists twice: as shipped, in $(SHIP), and for tests, with sanitizers where there are some, in $(CHECK).

SHIP  := $(BUILD)/$(TOOLCHAIN)
CHECK := $(BUILD)/$(TOOLCHAIN)-check
MAIN  := $(if $(SANITIZE),$(CHECK),$(SHIP))

LIB_NAME     := libtocsin$(if $(filter-out $(LAYERS),$(ALL_LAYERS)),$(subst $() ,,$(LAYERS:%=-%))).a
LIB_SRC      := $(foreach layer,$(LAYERS),$(sort $(wildcard src/$(layer)/*.cpp)))
PORT_SRC     := $(sort $(wildcard port/linux/*.cpp))
PROGRAM_SRC  := $(sort $(wildcard src/program/*.cpp))
HAVE_PROGRAM := $(wildcard src/program/main.cpp)
FAKES_SRC    := $(sort $(wildcard tests/fakes/*.cpp))
PURE_TESTS   := $(basename $(sort $(wildcard tests/test_*.cpp tests/powercut_*.cpp)))
PORT_TESTS   := $(basename $(sort $(wildcard tests/port/test_*.cpp)))
PROGRAM_TESTS := $(basename $(sort $(wildcard tests/program/test_*.cpp)))
TESTS        := $(PURE_TESTS) $(PORT_TESTS) $(PROGRAM_TESTS)
TEST_PROGRAMS := $(TESTS:%=$(CHECK)/%)

objects = $(2:%.cpp=$1/%.o)
LINK = $(CC) $(ARCH) $(LDFLAGS_T) -Wl,--gc-sections

.PHONY: all
all: $(if $(HAVE_PROGRAM),program,lib)  ## the program and the library (what `make` alone does)

.PHONY: lib program
lib: $(MAIN)/$(LIB_NAME)               ## the portable library alone
program: $(MAIN)/tocsin                ## the program alone

# Linked by the C driver: nothing here may need libstdc++.
$(SHIP)/tocsin: $(call objects,$(SHIP),$(PROGRAM_SRC) $(PORT_SRC)) $(SHIP)/libtocsin.a $(SHIP)/sources
	$(call say,LINK,$@)
	$(Q)$(LINK) -Wl,-Map,$@.map -o $@ $(filter-out %/sources,$^) $(TLS_LIBS) $(JSON_LIBS) -pthread
$(CHECK)/tocsin: $(call objects,$(CHECK),$(PROGRAM_SRC) $(PORT_SRC)) $(CHECK)/libtocsin.a $(CHECK)/sources
	$(call say,LINK,$@)
	$(Q)$(LINK) $(SANITIZER) -o $@ $(filter-out %/sources,$^) $(TLS_LIBS) $(JSON_LIBS) -pthread

$(SHIP)/tocsin.stripped: $(SHIP)/tocsin
	$(Q)$(STRIP) -o $@ $<

define archive
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) crs $@ $(filter %.o,$^)
endef
$(SHIP)/$(LIB_NAME): $(call objects,$(SHIP),$(LIB_SRC)) $(SHIP)/sources
	$(archive)
$(CHECK)/$(LIB_NAME): $(call objects,$(CHECK),$(LIB_SRC)) $(CHECK)/sources
	$(archive)
$(CHECK)/libfakes.a: $(call objects,$(CHECK),$(FAKES_SRC)) $(CHECK)/sources
	$(archive)

# A test program may use libstdc++, the code under test cannot (see `make size`).
define link_test
	$(call say,LINK,$@)
	$(Q)$(CHECK_CXX) $(ARCH) $(SANITIZER) -o $@ $(filter %.o,$^) $(filter %.a,$^) $1 $(CMOCKA_LIBS) $(JSON_LIBS) -pthread
endef
TEST_LIBS := $(CHECK)/libfakes.a $(CHECK)/$(LIB_NAME)
$(PURE_TESTS:%=$(CHECK)/%): $(CHECK)/%: $(CHECK)/%.o $(TEST_LIBS)
	$(call link_test,)
$(PORT_TESTS:%=$(CHECK)/%): $(CHECK)/%: $(CHECK)/%.o $(call objects,$(CHECK),$(PORT_SRC)) $(TEST_LIBS)
	$(call link_test,$(TLS_LIBS))
$(PROGRAM_TESTS:%=$(CHECK)/%): $(CHECK)/%: $(CHECK)/%.o $(TEST_LIBS) \
    $(call objects,$(CHECK),$(filter-out %/main.cpp,$(PROGRAM_SRC)) $(PORT_SRC))
	$(call link_test,$(TLS_LIBS))

# On an empty machine what tests include is installed before the first of them is compiled, whichever target asks.
ifeq ($(TOOLCHAIN),native)
$(call objects,$(CHECK),$(FAKES_SRC) $(TESTS:%=%.cpp)): | $(BUILD)/deps/test.ok
endif

# Objects. Portable code sees nothing but include/ (and cJSON); the rest sees its neighbours too.
scope = $(if $(filter src/base/% src/wire/% src/outbox/% src/alarm/%,$1),$(JSON_CPP),$\
        $(if $(filter tests/%,$1),$(OUTER_TEST),$(OUTER)))
$(SHIP)/%.o: %.cpp $(SHIP)/flags | $(DEPS_READY)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) $(SHIP_FLAGS) $(call scope,$<) -MMD -MP -c -o $@ $<
$(CHECK)/%.o: %.cpp $(CHECK)/flags | $(DEPS_READY)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CHECK_CXX) $(CHECK_FLAGS) $(call scope,$<) -MMD -MP -c -o $@ $<

# These two files change only when the flags or the list of sources do; what depends on them is then built anew.
# (Compilers do not name the *_trimmed.h among what an object needs: headers of the system include them.)
FLAGS_NOW := $(shell cat toolchains/*_trimmed.h toolchains/*.ld | cksum) $(CC) $(CXX) $(CHECK_CXX) $(SHIP_FLAGS) $(CHECK_FLAGS) $(OUTER_TEST) $(JSON_CPP) $(LDFLAGS_T) \
             $(TLS_LIBS) $(JSON_LIBS)
$(SHIP)/flags $(CHECK)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
SOURCES_NOW := $(LIB_SRC) $(PORT_SRC) $(PROGRAM_SRC) $(FAKES_SRC)
$(SHIP)/sources $(CHECK)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(SOURCES_NOW)' | cmp -s - $@ || echo '$(SOURCES_NOW)' > $@
.PHONY: FORCE

-include $(shell find $(SHIP) $(CHECK) -name '*.d' 2>/dev/null)

# ---- dependencies ----------------------------------------------------------------------------------------

$(BUILD)/deps/%.ok: toolchains/deps.sh
	@CXX='$(if $(CROSS),g++,$(CXX))' sh toolchains/deps.sh $*
	@mkdir -p $(@D) && touch $@

# ---- tests -----------------------------------------------------------------------------------------------

.PHONY: test one one-py
test: $(BUILD)/deps/test.ok $(if $(filter native,$(TOOLCHAIN)),tls28 tls36)  ## every gate and every test; the last line counts them
	$(Q)$(RUN_TESTS) --check $(CHECK) --program $(SHIP)/tocsin \
	  --gates '$(GATES)' $(TESTS)

SCRIPT = python3 tests/gates/script.py
RUN_TESTS = $(if $(V),V=1) MAKE='$(MAKE)' TOOLCHAIN='$(TOOLCHAIN)' python3 tests/gates/run_tests.py

.PHONY: test-cross
test-cross: $(BUILD)/deps/emulate.ok   ## the portable tests and the size gate for another TOOLCHAIN, under qemu-user
	$(Q)$(RUN_TESTS) --check $(CHECK) --program $(SHIP)/tocsin --gates size --runner '$(or $(RUN),env)' $(PURE_TESTS)

one: $(BUILD)/deps/test.ok             ## one test program: make one T=test_json_writer [CASE=pattern]
	$(if $(T),,$(error say which: make one T=test_json_writer [CASE=pattern]))
	$(if $(filter %/$(T),$(TESTS)),,$(error no test '$(T)'; there are: $(notdir $(TESTS))))
	$(Q)$(MAKE) --no-print-directory $(filter %/$(T),$(TEST_PROGRAMS))
	$(Q)CASE='$(CASE)' $(RUN) $(filter %/$(T),$(TEST_PROGRAMS)) $(if $(CASE),'$(CASE)')

HTTP_TABLE := $(addprefix $(CHECK)/tests/,test_http_response test_http_tunnel test_http_location test_http_date \
                program/test_config_values)
.PHONY: http-table
http-table: $(HTTP_TABLE)              ## what the HTTP client is shown, base_url included: what came, expected, seen
	$(Q)echo '| case | expected | seen |'; for test in $(HTTP_TABLE); do \
	  $$test '* table=1' >$(CHECK)/table 2>&1 || failed=$$test; grep -a '^| ' $(CHECK)/table; done; \
	  test -z "$$failed" || { echo "failed: $$failed"; exit 1; }

# The trimmed Mbed TLS 3.6, static, for this machine: what tests/e2e/test_tls_*.py run beside the native build.
TLS36 := $(BUILD)/tls36/musl/tocsin
.PHONY: tls28 tls36 tls36-tests run-tls-tests tls-servers tls-memory
tls28:                                 # the same with 2.28, for test_malloc.py
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=musl MBEDTLS=2.28 program
tls36:                                 ## the program with the trimmed Mbed TLS 3.6 (TLS 1.3), for the tests
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=musl MBEDTLS=3.6 BUILD=$(BUILD)/tls36 DEPS=$(BUILD)/deps $(TLS36)
# A gate: the native tests are with 2.28.
tls36-tests: $(BUILD)/deps/test.ok     ## the tests of TLS in tests/port with the trimmed Mbed TLS 3.6
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=musl MBEDTLS=3.6 BUILD=$(BUILD)/tls36 \
	  DEPS=$(BUILD)/deps run-tls-tests
TLS_TESTS := $(filter tests/port/test_tls_% tests/port/test_pool,$(PORT_TESTS))
run-tls-tests: $(TLS_TESTS:%=$(CHECK)/%)
	$(Q)for test in $^; do $$test >$(CHECK)/tests/said 2>&1 || failed="$$failed $$test"; \
	  grep -aE '^\[  (PASSED|SKIPPED|FAILED )' $(CHECK)/tests/said; done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }
tls-servers: $(BUILD)/deps/test.ok program tls36  ## against nginx, OpenSSL, GnuTLS, ... and resets at every byte [STRIDE=1] [PART=0] [CASE=pattern]
	$(Q)for test in servers refused own sessions answers records faults addresses; do \
	  TOCSIN=$(abspath $(SHIP)/tocsin) TOCSIN_TLS36=$(abspath $(TLS36)) STRIDE=$(or $(STRIDE),1) PART=$(or $(PART),0) \
	    $(SCRIPT) tests/e2e/test_tls_$$test.py $(if $(CASE),-k '$(CASE)') && ran=yes || test $$? = 5 || exit 1; done; \
	  test "$$ran" || { echo "no test of TLS is called '$(CASE)'"; exit 1; }

tls-memory: $(BUILD)/deps/test.ok program tls36  ## memory over 10,000 exchanges with nginx, each a connection of its own [EXCHANGES=10000]
	$(Q)TOCSIN=$(abspath $(SHIP)/tocsin) TOCSIN_TLS36=$(abspath $(TLS36)) EXCHANGES=$(or $(EXCHANGES),10000) \
	  python3 tests/e2e/test_tls_memory.py

one-py: $(MAIN)/tocsin                 ## one Python test: make one-py T=tests/e2e/test_delivery.py [CASE=pattern]
	$(if $(T),,$(error say which: make one-py T=tests/e2e/test_delivery.py [CASE=pattern]))
	$(Q)TOCSIN=$(abspath $<) $(SCRIPT) $(T) $(if $(CASE),-k '$(CASE)') -v

.PHONY: test-programs
test-programs: $(TEST_PROGRAMS)        ## builds every test program, runs none

# ---- gates -----------------------------------------------------------------------------------------------
# Each is shown to fail on planted violations by gate-selftest.

GATES := layers faults headers clang nocompile size gate-selftest coverage fuzz-replay $(if $(filter native,$(TOOLCHAIN)),tls36-tests)
PORTABLE_OBJ := $(call objects,$(SHIP),$(foreach layer,$(ALL_LAYERS),$(sort $(wildcard src/$(layer)/*.cpp))))
OUTER_OBJ    := $(call objects,$(SHIP),$(PROGRAM_SRC) $(PORT_SRC))
COMPILE_ONLY  = COMPILERS='$(CXX) $(if $(CROSS),,clang++)' FLAGS='$(CORE) $(WARN) $(OUTER_TEST)' \
                python3 tests/gates/compiles.py

.PHONY: $(GATES)
layers:                                ## checks the direction of every include
	$(Q)python3 tests/gates/layers.py
faults:                                ## the places of the seeded faults of `make mutants` are there, and their tests
	$(Q)python3 tests/mutants/places.py
headers: $(BUILD)/deps/test.ok         ## each public header compiles alone, with g++ and clang++
	$(Q)$(COMPILE_ONLY) headers $(sort $(wildcard include/tocsin/*.hpp include/tocsin/*/*.hpp))
clang: $(BUILD)/deps/test.ok           ## every source compiles with clang++ as well
	$(Q)COMPILERS=clang++ FLAGS='$(CORE) $(WARN) $(OUTER)' python3 tests/gates/compiles.py sources \
	  $(LIB_SRC) $(PORT_SRC) $(PROGRAM_SRC)
nocompile: $(BUILD)/deps/test.ok       ## what must not compile does not, for the reason it names
	$(Q)$(COMPILE_ONLY) nocompile $(sort $(wildcard tests/nocompile/*.cpp))
size: $(PORTABLE_OBJ) $(OUTER_OBJ) $(if $(HAVE_PROGRAM),$(SHIP)/tocsin.stripped)  ## sizes; no heap, exceptions or libstdc++ in the shipped objects
	$(Q)python3 tests/gates/symbols.py --root $(SHIP) --nm $(NM) --size $(SIZE) --text-max $(TEXT_MAX) \
	  $(if $(HAVE_PROGRAM),--program $(SHIP)/tocsin.stripped) --portable $(PORTABLE_OBJ) --outer $(OUTER_OBJ)
gate-selftest: $(BUILD)/deps/test.ok   ## shows that every gate can fail
	$(Q)sh tests/gates/selftest.sh
	$(Q)python3 tests/gates/selftest_runner.py

HTTP_TESTS := $(filter tests/test_http_%,$(PURE_TESTS))
coverage: $(BUILD)/deps/test.ok        ## lines and branches of the HTTP client that its tests never take; fails below 95 %
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/coverage LAYERS='base wire' SANITIZER=--coverage CHECK_CXX=g++ CHECK_CPP=-O0 \
	  $(HTTP_TESTS:%=$(BUILD)/coverage/$(TOOLCHAIN)-check/%)
	$(Q)python3 tests/gates/coverage.py --check $(BUILD)/coverage/$(TOOLCHAIN)-check --of 'src/wire/http_*' \
	  --of 'include/tocsin/wire/http_*' $(HTTP_TESTS)

MUTANT_NAMES := $(sort $(shell sed -n 's/^fails \([^ ]*\).*/\1/p' tests/mutants/faults.txt))
MUTANT_TESTS := $(addprefix $(CHECK)/tests/,$(MUTANT_NAMES))
MUTANTS_OF := 4
.PHONY: mutants mutants-slice
mutants: $(MUTANT_TESTS)               ## seeded faults: each must make the test fail that it names [T=part of a name] [OF=4 SLICE=0 to 3]
	$(Q)CHECK='$(CHECK)' CXX='$(CHECK_CXX)' FLAGS='$(subst ','\'',$(CHECK_FLAGS) $(JSON_CPP) $(OUTER))' SANITIZER='$(ARCH) $(SANITIZER)' \
	  LIBS='$(TLS_LIBS) $(CMOCKA_LIBS) $(JSON_LIBS) -pthread' T='$(T)' OF='$(OF)' SLICE='$(SLICE)' tests/mutants/run
mutants-slice:                         ## a quarter of them, some of each file, which the seed chooses [SEED=N]
	$(Q)$(MAKE) --no-print-directory mutants OF=$(MUTANTS_OF) \
	  SLICE=$$(($(or $(SEED),$$(od -An -N3 -tu4 /dev/urandom)) % $(MUTANTS_OF)))

.PHONY: crash-states
STATES ?= 1000000
# Equal cases are counted every time and looked at once. OF=6 SLICE=0 to 5: a sixth of the short sequences.
CRASH_STATES = $(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/fast SANITIZER= CHECK_CPP=-O2 one
CRASH_SLICE  = $(if $(OF),of=$(OF) slice=$(or $(SLICE),0))
CRASH_DEPTH  = depth=$(firstword $(sort $(or $(DEPTH),6) $1))
crash-states:                          ## the queue's crash states, without sanitizers: all of short lives, random ones [STATES=1000000] [SEED=1] [DEPTH=6] [OF=6 SLICE=0]
	$(CRASH_STATES) T=powercut_lives CASE='lives_* states=$(STATES) seed=$(or $(SEED),1) step=1 stride=1'
	$(CRASH_STATES) T=powercut_states CASE='states_short* $(call CRASH_DEPTH,) $(CRASH_SLICE)'
	$(CRASH_STATES) T=powercut_states CASE='states_cuts_during_recovery_three_deep $(call CRASH_DEPTH,) $(CRASH_SLICE)'
	$(CRASH_STATES) T=powercut_states CASE='states_cuts_during_recovery_three_deep deeper=1 stride=1 $(call CRASH_DEPTH,4) $(CRASH_SLICE)'
	$(CRASH_STATES) T=powercut_states CASE='states_cuts_during_recovery_on_bare* $(call CRASH_DEPTH,4) $(CRASH_SLICE)'
	$(CRASH_STATES) T=powercut_states CASE='states_sequences* $(call CRASH_DEPTH,5) $(CRASH_SLICE)'
	$(CRASH_STATES) T=powercut_states CASE='states_every* step=1 $(call CRASH_DEPTH,3) $(CRASH_SLICE)'

# ---- fuzzing ---------------------------------------------------------------------------------------------
# tests/fuzz/fuzz_NAME.cpp with its corpus in tests/fuzz/corpus/NAME, and NAME.dict where there is one.

FUZZERS    := $(sort $(patsubst tests/fuzz/fuzz_%.cpp,%,$(wildcard tests/fuzz/fuzz_*.cpp)))
FUZZ_FLAGS := $(CORE) $(WARN) -O1 -g -fno-sanitize-recover=all $(OUTER_TEST) -Itests/fuzz
FUZZ_OUTER := $(PORT_SRC) $(filter-out %/main.cpp,$(PROGRAM_SRC))
SECONDS    ?= 60

$(BUILD)/fuzz/%.o: %.cpp | $(BUILD)/deps/test.ok
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)clang++ $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<
$(FUZZERS:%=$(BUILD)/fuzz/fuzz_%): $(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/%.o $(call objects,$(BUILD)/fuzz,$(LIB_SRC) $(FUZZ_OUTER))
	$(call say,LINK,$@)
	$(Q)clang++ -fsanitize=fuzzer,address,undefined -o $@ $^ -lcjson $(TLS_LIBS) -pthread
-include $(shell find $(BUILD)/fuzz -name '*.d' 2>/dev/null)

.PHONY: fuzz fuzz-replay
fuzz: $(FUZZERS:%=$(BUILD)/fuzz/fuzz_%)     ## looks for new inputs: make fuzz [T=judge] [SECONDS=60], that long for each
	$(Q)set -e; for name in $(or $(T),$(FUZZERS)); do \
	  mkdir -p $(BUILD)/fuzz/found/$$name; dict=tests/fuzz/$$name.dict; echo "== $$name"; \
	  $(BUILD)/fuzz/fuzz_$$name -max_total_time=$(SECONDS) -max_len=17000 -print_final_stats=1 \
	    -artifact_prefix=$(BUILD)/fuzz/ \
	    $$(test ! -f $$dict || echo -dict=$$dict) $(BUILD)/fuzz/found/$$name tests/fuzz/corpus/$$name; done
fuzz-replay: $(FUZZERS:%=$(BUILD)/fuzz/fuzz_%)  ## every kept input once more
	$(Q)set -e; for name in $(FUZZERS); do \
	  $(BUILD)/fuzz/fuzz_$$name -runs=0 -artifact_prefix=$(BUILD)/fuzz/ tests/fuzz/corpus/$$name >$(BUILD)/fuzz/$$name.log 2>&1 || \
	    { cat $(BUILD)/fuzz/$$name.log; echo "again: make fuzz-replay"; exit 1; }; \
	  echo "$$name: $$(ls tests/fuzz/corpus/$$name | wc -l) inputs"; done

# ---- longer runs -----------------------------------------------------------------------------------------

# For rows 1 to 8: tocsin's path without queue and loop, and the floor, with the same Mbed TLS.
$(SHIP)/net_tocsin: $(call objects,$(SHIP),tests/bench/net_tocsin.cpp $(PORT_SRC)) $(SHIP)/libtocsin.a
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(TLS_LIBS) $(JSON_LIBS) -pthread
$(SHIP)/net_bare: $(call objects,$(SHIP),tests/bench/net_bare.cpp port/linux/tls_left_out.cpp)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(TLS_LIBS)

.PHONY: demo bench bench-counts
demo: $(BUILD)/deps/demo.ok program    ## the whole story on this machine: alarm, outage, kill -9, delivery
	$(Q)TOCSIN=$(abspath $(SHIP)/tocsin) python3 tests/demo/demo.py
bench: $(BUILD)/deps/bench.ok program  ## counts beside the peers, about 9 minutes; FAST=1: without what waits
	$(Q)TOCSIN=$(abspath $(SHIP)/tocsin) tests/bench/run
bench-counts: $(BUILD)/deps/bench.ok   ## what needs neither root nor waiting: rows 5 to 8, the queue's instructions
	$(Q)python3 tests/bench/bench_net.py --counts
	$(Q)tests/bench/bench_queue.py --no-media --alone 0 --rest 0
.PHONY: kills ledger freeze
E2E = TOCSIN=$(abspath $(SHIP)/tocsin) SEED=$(SEED) python3
kills: $(BUILD)/deps/test.ok program   ## end to end: 200 x kill -9 while 500 messages flow [SEED=N]
	$(Q)KILLS=$(or $(KILLS),200) $(E2E) tests/e2e/test_kill.py
ledger: $(BUILD)/deps/test.ok program  ## end to end: the brown-out ledger, 5 minutes of cuts [LEDGER_S=300] [SEED=N]
	$(Q)LEDGER_S=$(or $(LEDGER_S),300) $(E2E) tests/e2e/test_ledger.py
freeze: $(BUILD)/deps/test.ok program  ## end to end: the medium frozen for 30 s, full, failing (as root) [FREEZE_S=30]
	$(Q)FREEZE_S=$(or $(FREEZE_S),30) $(E2E) tests/e2e/test_medium.py

# ---- the emulated board ----------------------------------------------------------------------------------
# An ARM machine with Debian's own kernel, input lines, a disk that forgets, and a power switch: tests/device/board.py.

BOARD := $(BUILD)/deps/device/version
$(BOARD): tests/device/fetch.sh toolchains/apt.sh $(BUILD)/deps/device.ok
	@echo '  DEPS  board: kernel and busybox'
	$(Q)tests/device/fetch.sh $(BUILD)/deps
	@touch $@

$(SHIP)/gpio_events: $(SHIP)/tests/device/gpio_events.o
	$(call say,LINK,$@)
	$(Q)$(LINK) -s -o $@ $<

$(SHIP)/netem: $(SHIP)/tests/device/netem.o
	$(call say,LINK,$@)
	$(Q)$(LINK) -s -o $@ $<

.PHONY: device-selftest device-lines device-network device-webhook demo-device bench-board
ON_BOARD = DEPS=$(BUILD)/deps GPIO_EVENTS=$(BUILD)/aarch64/gpio_events TOCSIN=$(BUILD)/aarch64/tocsin.stripped \
           OUT=$(BUILD)/board python3
device-selftest: $(BOARD)              ## shows that the emulated ARM board does what the device tests rely on; device-lines
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=aarch64 $(BUILD)/aarch64/gpio_events
	$(Q)$(ON_BOARD) tests/device/selftest.py
	$(Q)$(if $(HAVE_PROGRAM),$(MAKE) --no-print-directory device-lines)
device-lines: $(BOARD)                 ## the program's input lines on the emulated ARM board [CASE=pattern] [SEED=N]
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=aarch64 $(BUILD)/aarch64/tocsin.stripped $(BUILD)/aarch64/gpio_events
	$(Q)SEED=$(SEED) $(ON_BOARD) tests/gates/script.py tests/device/test_line.py $(if $(CASE),-k '$(CASE)')
device-network: $(BOARD)               ## the program on the emulated ARM board through delay, loss, reordering, duplicates and a black hole [CASE=pattern]
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=aarch64 $(BUILD)/aarch64/tocsin.stripped $(BUILD)/aarch64/netem
	$(Q)NETEM=$(BUILD)/aarch64/netem $(ON_BOARD) tests/gates/script.py tests/device/test_network.py $(if $(CASE),-k '$(CASE)')
device-webhook: $(BOARD)               ## edges on the emulated ARM board while 1,000 slow ones hold its webhook [SLOW=1000] [EDGES=240] [TLS=1]
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=aarch64 $(BUILD)/aarch64/tocsin.stripped
	$(Q)SLOW=$(SLOW) EDGES=$(EDGES) TLS=$(TLS) $(ON_BOARD) tests/device/test_webhook.py
demo-device: $(BOARD)                  ## the program on the emulated ARM board: edge to message, power cut, delivery
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=aarch64 $(BUILD)/aarch64/tocsin.stripped
	$(Q)$(ON_BOARD) tests/device/demo_device.py
bench-board: $(BUILD)/deps/bench.ok $(BOARD)  ## how long the emulated ARM board takes to find 10,000 messages
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=aarch64 $(BUILD)/aarch64/tocsin.stripped
	$(Q)$(ON_BOARD) tests/bench/open_on_board.py

# What a file system needs that is not on the board, and the programs of the machines.
CUT_FS       := $(subst $(comma), ,$(or $(FS),ext4$(comma)vfat$(comma)jffs2$(comma)ubifs$(comma)mtd$(comma)ubi))
CUT_IMAGES   := $(sort $(patsubst mtd,jffs2,$(patsubst ubi,ubifs,$(CUT_FS))))  # flash with and without a file system
CUT_NEEDS    := $(patsubst %,$(BUILD)/deps/powercut/%/version,$(filter vfat jffs2 ubifs,$(CUT_IMAGES)))
CUT_PROGRAMS := $(if $(filter ext4 vfat,$(CUT_FS)),aarch64) $(if $(filter jffs2,$(CUT_IMAGES)),musl) \
                $(if $(filter ubifs,$(CUT_IMAGES)),armhf)
$(BUILD)/deps/powercut/%/version: tests/powercut/fetch.sh $(BOARD) $(BUILD)/deps/%.ok
	@echo '  DEPS  power cuts: $*'
	$(Q)tests/powercut/fetch.sh $(BUILD)/deps $*
	@touch $@

ON_MACHINE = TOCSIN_PC=$(BUILD)/musl/tocsin.stripped TOCSIN_ARMHF=$(BUILD)/armhf/tocsin.stripped $(ON_BOARD)

.PHONY: powercut powercut-slice powercut-replay powercut-full powercut-nand
powercut: $(BOARD) $(CUT_NEEDS)        ## power cuts on real kernels and media [CUTS=150, on each] [FS=ext4,vfat,jffs2,ubifs,mtd,ubi] [SEED=N]
	$(Q)set -e; for toolchain in $(CUT_PROGRAMS); do \
	  $(MAKE) --no-print-directory TOOLCHAIN=$$toolchain $(BUILD)/$$toolchain/tocsin.stripped; done
	$(Q)CUTS='$(CUTS)' FS='$(FS)' SEED=$(SEED) $(ON_MACHINE) tests/powercut/powercut.py
powercut-replay: $(BOARD)              ## one recorded life of a drive (ext4), cut at hundreds of requests (as root) [CUTS=300] [SEED=N]
	$(Q)set -e; for toolchain in aarch64 musl; do \
	  $(MAKE) --no-print-directory TOOLCHAIN=$$toolchain $(BUILD)/$$toolchain/tocsin.stripped; done
	$(Q)CUTS='$(CUTS)' SEED=$(SEED) TOCSIN_PC=$(BUILD)/musl/tocsin.stripped $(ON_BOARD) tests/powercut/replay.py
# The seed chooses the file system; with the seed a run can be had again.
CUT_SEED  := $(or $(SEED),$(if $(filter powercut-slice,$(MAKECMDGOALS)),$(shell od -An -N3 -tu4 /dev/urandom)))
CUT_SLICE := $(if $(CUT_SEED),$(word $(shell expr $(CUT_SEED) % 6 + 1),ext4=10 jffs2=4 vfat=10 ubifs=3 mtd=6 ubi=4))
powercut-slice:                        ## a few of them on one medium, which the seed chooses [SEED=N]
	$(Q)$(MAKE) --no-print-directory powercut FS=$(firstword $(subst =, ,$(CUT_SLICE))) \
	  CUTS=$(lastword $(subst =, ,$(CUT_SLICE))) SEED=$(strip $(CUT_SEED))
powercut-nand: $(BOARD) $(BUILD)/deps/powercut/nand/version  ## UBI on simulated NAND that stops while it writes: nothing is lost [CUTS=20] [SEED=N]
	$(Q)$(MAKE) --no-print-directory TOOLCHAIN=musl $(BUILD)/musl/tocsin.stripped
	$(Q)CUTS='$(or $(CUTS),20)' SEED=$(SEED) $(ON_MACHINE) tests/powercut/nand.py
powercut-full: $(BOARD) $(CUT_NEEDS)        ## a file system of the machines without room: nothing is lost, and it works again [FS=ext4,vfat,jffs2,ubifs]
	$(Q)set -e; for toolchain in $(CUT_PROGRAMS); do \
	  $(MAKE) --no-print-directory TOOLCHAIN=$$toolchain $(BUILD)/$$toolchain/tocsin.stripped; done
	$(Q)FS='$(FS)' $(ON_MACHINE) tests/powercut/full.py

# ---- the rest --------------------------------------------------------------------------------------------

PREFIX ?= /usr/local
.PHONY: install
install: $(SHIP)/tocsin.stripped $(SHIP)/libtocsin.a  ## program, library and headers to $(DESTDIR)$(PREFIX)
	$(Q)install -D -m 755 $< $(DESTDIR)$(PREFIX)/bin/tocsin
	$(Q)install -D -m 644 $(SHIP)/libtocsin.a $(DESTDIR)$(PREFIX)/lib/libtocsin.a
	$(Q)cd include && find tocsin -name '*.hpp' -exec install -D -m 644 {} $(abspath $(DESTDIR)$(PREFIX))/include/{} ';'

.PHONY: clean help
clean:                                 ## removes what was compiled (downloads in $(BUILD)/deps stay)
	$(Q)if [ -d $(BUILD) ]; then find $(BUILD) -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} +; fi
help:                                  ## this list
	@sed -n 's/^#   //p' Makefile | head -5
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{printf "%-22s %s\n", $$1, $$2}'
