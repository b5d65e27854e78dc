# azpec: build, tests, checks.  GNU make; there is nothing to configure.
#
#   make                  build/azpec.so and build/libazpec.a, and with
#                         OpenSSL's headers at hand build/azpec_signing.so
#   make demo [PORT=n]    a connection is approved, against the emulator
#   make test [FILE=name] all tests | those of one file or folder
#   make unit             those of the C core alone
#   make explore          all that can happen to an operation, 4 deep
#   make check | format   the rules of the house, each by a command | clang-format
#   make asan | valgrind [FILE=name]  all tests again, under these
#   make tsan             the C hosts again, under this
#   make packaging        a fresh copy is built, installed and used
#   make systems [ON="sid bookworm:i386"]  all tests on other Debian systems
#   make apicheck [FILE=name]  the Lua side under a Lua that checks its API
#   make soak [SECONDS=120 SEED=n]  everything at random, with faults, under ASan
#   make fuzz [SECONDS=60]  one operation under libFuzzer, by clang
#   make torture          conversations torn at every byte of every reply
#   make bench            beside raw libcurl
#   make deps             what all of the above needs, by apt
#   make install PREFIX=/usr/local DESTDIR=

CFLAGS     ?= -O2 -g
LUA        ?= lua5.4
LUA_CFLAGS ?= $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell \
              for p in lua5.4 lua-5.4 lua54 lua; do \
              pkg-config --cflags $$p 2>/dev/null && break; done))
CURL_CFLAGS ?= $(shell pkg-config --cflags libcurl 2>/dev/null)
CURL_LIBS  ?= $(shell pkg-config --libs libcurl 2>/dev/null || echo -lcurl)
CRYPTO_CFLAGS ?= $(shell pkg-config --cflags libcrypto 2>/dev/null)
CRYPTO_LIBS ?= $(shell pkg-config --libs 'libcrypto >= 3' 2>/dev/null)
OBJCOPY    ?= objcopy
INSTALL    ?= install
PREFIX     ?= /usr/local
BUILD      ?= build
# WERROR=1: warnings are errors; SAN=address,undefined: sanitizers

VERSION := $(shell sed -n 's/.*AZPEC_VERSION "\(.*\)".*/\1/p' \
                   lua_module/azpec.h)
CORE    := $(wildcard lua_module/core/*.c)
SOURCES := $(wildcard lua_module/*.c) $(CORE)
SIGNING := $(wildcard lua_module/signing/*.c) lua_module/core/buf.c
UNITS   := $(wildcard tests/unit/*.c)
signing := $(if $(strip $(CRYPTO_LIBS)),$(BUILD)/azpec_signing.so)
HOSTS   := $(wildcard tests/hosts/*.c tests/soak/*.c)
TESTED  := $(CORE) $(addprefix lua_module/,child.c pollset.c sys.c)

warnings := -Wall -Wextra -pedantic -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wcast-qual -Wpointer-arith \
            -Wundef -Wvla -Wformat=2
flags    := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -MMD -MP \
            -Ilua_module $(warnings) $(if $(filter 1,$(WERROR)),-Werror)
sanitize := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
            -fno-omit-frame-pointer)
objects   = $(patsubst %.c,$(BUILD)/%.o,$(1))
compile   = $(CC) $(flags) $(1) $(CPPFLAGS) $(CFLAGS) $(sanitize)
apt       = @sh tests/tools/deps.sh
build     = @$(MAKE) --no-print-directory -s
run       = @BUILD=$(BUILD) LUA=$(LUA) CC="$(CC)" perl tests/run.pl

all: $(BUILD)/azpec.so $(BUILD)/libazpec.a $(signing)
	$(if $(signing),,@echo "azpec: no headers of OpenSSL 3 (libssl-dev):" \
	  "azpec_signing.so, for certificates, is left out" >&2)

$(BUILD)/azpec.so: $(call objects,$(SOURCES))
	$(CC) -shared $(CFLAGS) $(sanitize) -Wl,--as-needed $(LDFLAGS) \
	      -o $@ $^ $(CURL_LIBS)

$(BUILD)/azpec_signing.so: $(call objects,$(SIGNING))
	$(CC) -shared $(CFLAGS) $(sanitize) -Wl,--as-needed $(LDFLAGS) \
	      -o $@ $^ $(CRYPTO_LIBS)

# One object whose only global name is luaopen_azpec: no clash in a host.
$(BUILD)/libazpec.a: $(call objects,$(SOURCES))
	$(LD) -r -o $(BUILD)/azpec.o $^
	$(OBJCOPY) --localize-hidden $(BUILD)/azpec.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/azpec.o

$(BUILD)/lua_module/core/%.o: lua_module/core/%.c # sees neither Lua nor curl
	@mkdir -p $(@D)
	$(call compile) -c -o $@ $<

$(BUILD)/lua_module/signing/%.o: lua_module/signing/%.c
	@mkdir -p $(@D)
	$(call compile,$(LUA_CFLAGS) $(CRYPTO_CFLAGS)) -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call compile,$(LUA_CFLAGS) $(CURL_CFLAGS)) -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(call objects,$(TESTED))
	@mkdir -p $(@D)
	$(call compile,-Itests/unit) $(LDFLAGS) -o $@ $(filter-out %.h,$^) \
	      -lcmocka

# As a program that embeds Lua would be: the archive, and all else by name.
hosts := $(patsubst tests/%.c,$(BUILD)/%,$(HOSTS))
$(hosts): $(BUILD)/%: tests/%.c tests/tools/host.c tests/tools/host.h \
                      $(BUILD)/libazpec.a
	@mkdir -p $(@D)
	$(call compile,-Itests/tools $(LUA_CFLAGS) $(CURL_CFLAGS)) $(LDFLAGS) \
	      -o $@ $(filter-out %.h,$^) -l:liblua5.4-cjson.a -llua5.4 \
	      $(CURL_LIBS) -lcmocka -ldl -lpthread

# What looks after a test program: guard runs it, the others are preloaded.
tools := $(addprefix $(BUILD)/tools/,guard descriptors.so preload.so)
$(BUILD)/tools/guard: tests/tools/guard.c
	@mkdir -p $(@D)
	$(CC) $(flags) $(CFLAGS) -o $@ $<
$(BUILD)/tools/%.so: tests/tools/%.c
	@mkdir -p $(@D)
	$(CC) $(flags) -fvisibility=default $(CFLAGS) -shared -o $@ $<

tools: $(tools)
units: $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNITS)) tools
hosts: $(hosts) tools

deps:
	$(apt) check
	$(apt) bench
demo:
	$(apt) run
	$(build) all
	@LUA_CPATH="$(abspath $(BUILD))/?.so;;" \
	 $(LUA) scripts/demo.lua $(PORT)
test:
	$(apt) test
	$(build) all units hosts
	$(run) $(FILE)
packaging:
	$(apt) check
	$(build) tools
	$(run) packaging
unit:
	$(apt) test
	$(build) units
	$(run) unit
explore:
	$(apt) test
	$(build) $(BUILD)/unit/explore
	@$(BUILD)/unit/explore 4
asan:
	$(apt) test
	$(build) BUILD=build/asan SAN=address,undefined CFLAGS="-O1 -g" all units hosts
	$(run) --under=asan $(FILE)
tsan:
	$(apt) test
	$(build) BUILD=build/tsan SAN=thread CFLAGS="-O1 -g" all hosts
	$(run) --under=tsan $(FILE)
soak:
	$(apt) test
	$(build) BUILD=build/asan SAN=address,undefined CFLAGS="-O1 -g" hosts
	@TEST_UNDER=asan build/asan/soak/soak $(or $(SECONDS),120) $(SEED)
systems:
	$(apt) systems
	@bash tests/systems/run.sh $(ON)
apicheck:
	$(apt) check
	$(build) all tools
	@bash tests/systems/apicheck.sh $(FILE)
valgrind:
	$(apt) check
	$(build) all units hosts
	$(run) --under=valgrind $(FILE)
check:
	$(apt) check
	@bash tests/check.sh
format:
	clang-format -i lua_module/*.[ch] lua_module/*/*.[ch] tests/*/*.[ch]
fuzz:
	$(apt) check
	@mkdir -p build/fuzz
	clang -std=c11 -D_GNU_SOURCE -g -O2 -fno-sanitize-recover=all \
	      -fsanitize=fuzzer,address,undefined -Ilua_module -Itests/unit \
	      $(LUA_CFLAGS) tests/fuzz/op.c lua_module/json.c \
	      lua_module/json_error.c $(CORE) -lcmocka -l:liblua5.4-cjson.a \
	      -llua5.4 -lm -o build/fuzz/op
	build/fuzz/op -max_total_time=$(or $(SECONDS),60) -timeout=20
torture:
	$(apt) test
	$(build) all
	@LUA_CPATH="$(BUILD)/?.so;;" LUA_PATH="scripts/?.lua;tests/?.lua;;" \
	 $(LUA) tests/torture/main.lua $(STRIDE)
bench:
	$(apt) bench
	$(build) all
	@BUILD=$(BUILD) bash tests/bench/run.sh $(TURNS)

dest = $(DESTDIR)$(PREFIX)
modules := $(shell cd scripts && find azpec -name '*.lua')
azpec    = LUA_CPATH='$(abspath $(BUILD))/?.so;;' $(LUA) scripts/bin/azpec
place    = $(INSTALL) -d $(dest)/$(dir $(1)) && $(2) > $(dest)/$(1)
manual  := share/man/man1/azpec.1
bash    := share/bash-completion/completions/azpec
zsh     := share/zsh/site-functions/_azpec
install: all
	$(INSTALL) -d $(dest)/bin $(dest)/lib/lua/5.4 $(dest)/lib/pkgconfig \
	           $(dest)/include $(sort $(dir $(modules:%=$(dest)/share/lua/5.4/%)))
	$(INSTALL) -m 755 scripts/bin/azpec $(dest)/bin/
	$(INSTALL) -m 755 $(BUILD)/azpec.so $(signing) $(dest)/lib/lua/5.4/
	$(INSTALL) -m 644 $(BUILD)/libazpec.a $(dest)/lib/
	$(INSTALL) -m 644 lua_module/azpec.h $(dest)/include/
	$(INSTALL) -m 644 lua_module/azpec.meta.lua $(dest)/share/lua/5.4/
	set -e; for f in $(modules); do \
	  $(INSTALL) -m 644 scripts/$$f $(dest)/share/lua/5.4/$$f; done
	$(call place,$(manual),$(azpec) help --man)
	$(call place,$(bash),$(azpec) completion bash)
	$(call place,$(zsh),$(azpec) completion zsh)
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: azpec' 'Version: $(VERSION)' \
	       'Description: Azure Batch private endpoint connections, for Lua' \
	       'Requires: libcurl' 'Cflags: -I$${prefix}/include' \
	       'Libs: -L$${prefix}/lib -lazpec' > $(dest)/lib/pkgconfig/azpec.pc
uninstall:
	cd $(dest) && rm -f bin/azpec lib/lua/5.4/azpec.so \
	   lib/lua/5.4/azpec_signing.so lib/libazpec.a include/azpec.h \
	   lib/pkgconfig/azpec.pc share/lua/5.4/azpec.meta.lua \
	   $(modules:%=share/lua/5.4/%) $(manual) $(bash) $(zsh)
	-cd $(dest)/share/lua/5.4 && find azpec -depth -type d -empty -delete
clean:
	rm -rf build

.PHONY: all tools units hosts deps demo test unit packaging explore asan tsan \
        soak fuzz torture systems apicheck valgrind check format bench \
        install uninstall clean
-include $(patsubst %.o,%.d,$(call objects,$(SOURCES) $(SIGNING))) \
         $(patsubst tests/%.c,$(BUILD)/%.d,$(UNITS) $(HOSTS))
