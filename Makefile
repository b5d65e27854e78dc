# azpec: build, tests, checks.  GNU make; there is nothing to configure.
#
#   make                  build/azpec.so and build/libazpec.a, and with
#                         OpenSSL's headers at hand build/azpec_signing.so
#   make demo [PORT=n]    a connection is approved, against the emulator
#   make test [FILE=name] all tests | those of one file or folder
#   make tried [CHECK=1]  those with programs of others, and the table of them in
#                         the emulator's README is written | compared
#   make unit             those of the C core alone
#   make coverage         ... and which lines and branches of it they execute
#   make mutants [COUNT=300 SEED=n FILE=core/x.c]  ... and which changes they notice
#   make explore          all that can happen to an operation, 4 deep
#   make reference        the pages REFERENCE.md, from the types of the Lua modules
#   make types            build/types, a folder of these types for language servers
#   make check | format   the rules of the house, each by a command | clang-format
#   make asan | valgrind [FILE=name]  the tests again, under these
#   make tsan             the C hosts again, under this
#   make pictures         those that documents show of the command and of its report
#   make packaging        a fresh copy is built, installed and used
#   make rockspec         build/azpec-VERSION-1.rockspec, whose source is the tag
#   make debian [TO=build/debian]  Debian's packages, by .debian
#   make systems [ON="sid bookworm:i386 bookworm:arm64"]  all tests on other
#                         Debian systems | those of C and Lua where qemu-user emulates
#   make apicheck | cxx [FILE=name]  the Lua side under a Lua that checks its
#                         API | that is compiled as C++ and throws exceptions
#   make proofs [ONLY=name CHECK=1]  bounded proofs of core by CBMC | by faults
#   make soak [SECONDS=120 SEED=n]  everything at random, with faults, under ASan
#   make fuzz [SECONDS=60 ONLY=url]  all parsers under libFuzzer, by clang
#   make torture [STRIDE=n]  conversations torn at every byte of every reply,
#                         and every allocation failing; or every n-th
#   make bench            beside raw libcurl
#   make deps             what all of the above needs, by apt
#   make install PREFIX=/usr/local DESTDIR=   [NATIVE=folder, where BUILD is for
#                         another machine; LUA=name of the interpreter]

CFLAGS     ?= -O2 -g
LUA        ?= lua5.4
PKG_CONFIG ?= pkg-config
LUA_CFLAGS ?= $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell \
              for p in lua5.4 lua-5.4 lua54 lua; do \
              $(PKG_CONFIG) --cflags $$p 2>/dev/null && break; done))
LUA_LIBS   ?= -llua5.4
CURL_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags libcurl 2>/dev/null)
CURL_LIBS  ?= $(shell $(PKG_CONFIG) --libs libcurl 2>/dev/null || echo -lcurl)
CRYPTO_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags libcrypto 2>/dev/null)
CRYPTO_LIBS ?= $(shell $(PKG_CONFIG) --libs 'libcrypto >= 3' 2>/dev/null)
OBJCOPY    ?= objcopy
INSTALL    ?= install
PREFIX     ?= /usr/local
# Where programs, modules, libraries and headers go, by the names in Lua's Makefile.
INSTALL_BIN  ?= $(PREFIX)/bin
INSTALL_LMOD ?= $(PREFIX)/share/lua/5.4
INSTALL_CMOD ?= $(PREFIX)/lib/lua/5.4
INSTALL_LIB  ?= $(PREFIX)/lib
INSTALL_INC  ?= $(PREFIX)/include
BUILD      ?= build
# The folder whose modules print manuals and completions: if those in BUILD are for
# another machine, one that was built for this one.
NATIVE     ?= $(BUILD)
# WERROR=1: warnings are errors; SAN=address,undefined: sanitizers

VERSION := $(shell sed -n 's/.*AZPEC_VERSION "\(.*\)".*/\1/p' \
                   lua_module/azpec.h)
CORE    := $(wildcard lua_module/core/*.c lua_module/core/token/*.c)
SOURCES := $(CORE) $(wildcard lua_module/io/*.c lua_module/lua/*.c)
SIGNING := $(wildcard lua_module/signing/*.c) \
           lua_module/core/buf.c lua_module/core/span.c
FILES   := $(wildcard lua_module/file/*.c)
UNITS   := $(wildcard tests/core/*.c tests/core/token/*.c tests/io/*.c)
signing := $(if $(strip $(CRYPTO_LIBS)),$(BUILD)/azpec_signing.so)
HOSTS   := $(wildcard tests/hosts/*.c tests/soak/*.c)
TESTED  := $(CORE) $(addprefix lua_module/io/,keyring.c process.c pollset.c sys.c)

warnings := -Wall -Wextra -pedantic -Wshadow -Wstrict-prototypes \
            -Wmissing-prototypes -Wwrite-strings -Wcast-qual -Wpointer-arith \
            -Wundef -Wvla -Wformat=2
# 64 bits of time and file on 32-bit systems; and a Lua that is compiled as C++
# throws through these functions.
flags    := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 \
            -fexceptions -fPIC -fvisibility=hidden -MMD -MP \
            -Ilua_module $(warnings) $(if $(filter 1,$(WERROR)),-Werror)
sanitize  = $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all \
            -fno-omit-frame-pointer)
objects   = $(patsubst %.c,$(BUILD)/%.o,$(1))
# No LTO: objcopy hides the names of machine code, and not those of bytecode.
compile   = $(CC) $(flags) $(1) $(CPPFLAGS) $(CFLAGS) -fno-lto $(sanitize)
apt       = @sh tests/tools/deps.sh
build     = @$(MAKE) --no-print-directory -s
run       = @BUILD=$(BUILD) LUA=$(LUA) CC="$(CC)" perl tests/run.pl

all: $(BUILD)/azpec.so $(BUILD)/libazpec.a $(BUILD)/azpec_file.so $(signing) $(BUILD)/types
	$(if $(signing),,@echo "azpec: no headers of OpenSSL 3, so" \
	  "azpec_signing.so, for certificates, is left out; install libssl-dev" \
	  "(Debian, Ubuntu), openssl-devel (Fedora), openssl-dev (Alpine) or" \
	  "openssl (Arch, Homebrew), or name the library by CRYPTO_LIBS" >&2)

$(BUILD)/azpec.so: $(call objects,$(SOURCES))
	$(CC) -shared $(CFLAGS) $(sanitize) -Wl,--as-needed $(LDFLAGS) \
	      -o $@ $^ $(CURL_LIBS)

$(BUILD)/azpec_signing.so: $(call objects,$(SIGNING))
	$(CC) -shared $(CFLAGS) $(sanitize) -Wl,--as-needed $(LDFLAGS) \
	      -o $@ $^ $(CRYPTO_LIBS)

# Without sanitizers: the emulator of a test loads it, and is not linked with them.
$(BUILD)/azpec_file.so: sanitize =
$(BUILD)/azpec_file.so: $(call objects,$(FILES))
	$(CC) -shared $(CFLAGS) $(sanitize) -Wl,--as-needed $(LDFLAGS) -o $@ $^

# One object whose only global name is luaopen_azpec: no clash in a host.  A
# COMDAT group (i386: __x86.get_pc_thunk.*) would stay a group whose names are
# local, and another object's group would replace it.
$(BUILD)/libazpec.a: $(call objects,$(SOURCES))
	$(LD) -r --force-group-allocation -o $(BUILD)/azpec.o $^
	$(OBJCOPY) --localize-hidden $(BUILD)/azpec.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/azpec.o

$(BUILD)/lua_module/core/%.o: lua_module/core/%.c # sees neither Lua nor curl
	@mkdir -p $(@D)
	$(call compile) -c -o $@ $<

$(BUILD)/lua_module/signing/%.o: lua_module/signing/%.c
	@mkdir -p $(@D)
	$(call compile,$(LUA_CFLAGS) $(CRYPTO_CFLAGS)) -c -o $@ $<

# needs.h says which package has a header that the compiler does not find.
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call compile,-include lua_module/needs.h $(LUA_CFLAGS) $(CURL_CFLAGS)) -c -o $@ $<

# A language server finds the type of a module by the name behind @meta, of which
# a file has one.  So each module has a file that refers to its class.
metas := lua_module/azpec.meta.lua scripts/azpec/scripts.meta.lua
typed := $(shell awk '/^---@(class|alias) azpec\.[a-z_.]+( fun.*)?$$/ { print $$2 }' \
                 scripts/azpec/scripts.meta.lua)
types := $(notdir $(metas)) $(typed:%=%.lua)
types: $(BUILD)/types
$(BUILD)/types: $(metas)
	@mkdir -p $@
	@cp $(metas) $@
	@for m in $(typed); do printf '%s\n' "---@meta $$m" '' "---@type $$m" \
	  'local module' '' 'return module' >$@/$$m.lua; done
	@touch $@

units := $(patsubst tests/%.c,$(BUILD)/%,$(UNITS))
$(units): $(BUILD)/%: tests/%.c $(call objects,$(TESTED))
	@mkdir -p $(@D)
	$(call compile,-Itests/core) $(LDFLAGS) -o $@ $(filter-out %.h,$^) \
	      -lcmocka

# As a program that embeds Lua would be: the archive, and all else by name.
hosts := $(patsubst tests/%.c,$(BUILD)/%,$(HOSTS))
$(hosts): $(BUILD)/%: tests/%.c tests/tools/host.c tests/tools/host.h \
                      $(BUILD)/libazpec.a
	@mkdir -p $(@D)
	$(call compile,-Itests/tools $(LUA_CFLAGS) $(CURL_CFLAGS)) $(LDFLAGS) \
	      -o $@ $(filter-out %.h,$^) -l:liblua5.4-cjson.a $(LUA_LIBS) \
	      $(CURL_LIBS) -lcmocka -lm -ldl -lpthread

# Fuzz targets: those in C, and those of scripts.c with a function each in
# scripts.lua.  `make fuzz` builds them with clang and libFuzzer.
fuzzed  := url http date redact json trace chain op certificate
scripted := plan journal rules state continuation
fuzzers := $(addprefix $(BUILD)/fuzz/,$(fuzzed) $(scripted))
$(addprefix $(BUILD)/fuzz/,$(fuzzed)): $(BUILD)/fuzz/%: tests/fuzz/%.c
$(addprefix $(BUILD)/fuzz/,$(scripted)): tests/fuzz/scripts.c
$(fuzzers): tests/fuzz/fuzz.h \
            $(call objects,$(sort $(SOURCES) $(SIGNING) $(FILES)))
	@mkdir -p $(@D)
	$(call compile,-Itests/core -DFUZZED='"$(@F)"' $(LUA_CFLAGS)) \
	      $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter-out %.h,$^) \
	      -l:liblua5.4-cjson.a -llua5.4 $(CURL_LIBS) $(CRYPTO_LIBS) -lcmocka \
	      -lm

# The allocations of the archive and of libcurl, OpenSSL and libc fail; those of
# lua-cjson, which ends the process then, have functions of their own.
torture = $(BUILD)/torture
$(torture)/cjson.a:
	@mkdir -p $(@D)
	$(OBJCOPY) $(foreach f,malloc realloc free,--redefine-sym $(f)=cjson_$(f)) \
	           $$($(CC) -print-file-name=liblua5.4-cjson.a) $@
$(torture)/alloc: tests/torture/alloc.c tests/tools/host.c tests/tools/host.h \
                  $(BUILD)/libazpec.a $(call objects,$(SIGNING)) $(torture)/cjson.a
	$(call compile,-Itests/tools $(LUA_CFLAGS) $(CURL_CFLAGS) $(CRYPTO_CFLAGS)) \
	      $(LDFLAGS) -Wl,--wrap=clock_gettime -o $@ $(filter-out %.h,$^) \
	      -llua5.4 $(CURL_LIBS) $(CRYPTO_LIBS) -lm -lcmocka -ldl -lpthread

# What looks after a test program: guard runs it, the others are preloaded.
tools := $(addprefix $(BUILD)/tools/,guard forbid descriptors.so preload.so faults.so)
$(addprefix $(BUILD)/tools/,guard forbid): $(BUILD)/tools/%: tests/tools/%.c
	@mkdir -p $(@D)
	$(CC) $(flags) $(CFLAGS) -o $@ $<
$(BUILD)/tools/%.so: tests/tools/%.c
	@mkdir -p $(@D)
	$(CC) $(flags) -fvisibility=default $(CFLAGS) -shared -o $@ $<

tools: $(tools)
fuzzers: $(fuzzers)
units: $(units) tools
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
tried:
	$(apt) check
	$(build) all units
	$(run) peers
	@BUILD=$(BUILD) $(LUA) tests/peers/tried.lua $(if $(CHECK),check,write)
pictures:
	$(apt) check
	$(build) all
	@export LUA_CPATH="$(abspath $(BUILD))/?.so;;" LUA_PATH="$(abspath scripts)/?.lua;$(abspath tests)/?.lua;;"; \
	 $(LUA) tests/tools/recording.lua >$(BUILD)/command.svg && \
	 mv $(BUILD)/command.svg scripts/pictures/ && $(LUA) tests/tools/screenshot.lua
packaging: export TEST_SECONDS ?= 800
packaging:
	$(apt) check
	-$(apt) debian
	$(build) tools
	$(run) packaging
rockspec:
	$(apt) check
	@mkdir -p $(BUILD)
	luarocks --lua-version 5.4 new_version azpec-scm-1.rockspec --tag v$(VERSION) \
	         --dir $(BUILD) $(VERSION)
debian:
	$(apt) debian
	@bash .debian/build.sh $(VERSION) $(or $(TO),build/debian)
unit:
	$(apt) test
	$(build) units
	$(run) core io
coverage:
	$(apt) test
	@find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(build) BUILD=build/coverage CFLAGS="-O0 --coverage -fno-exceptions" units
	@BUILD=build/coverage perl tests/run.pl core
	@perl tests/tools/coverage.pl build/coverage lua_module/core
mutants: SAN = address
mutants: CFLAGS = -O1 -fvisibility=default
mutants:
	$(apt) test
	@COMPILE='$(compile)' perl tests/mutants/run.pl \
	  $(or $(COUNT),300) $(or $(SEED),1) $(FILE)
explore:
	$(apt) test
	$(build) $(BUILD)/core/explore
	@$(BUILD)/core/explore 4
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
apicheck cxx:
	$(apt) check
	@bash tests/systems/lua.sh $@ $(FILE)
proofs:
	@CHECK=$(CHECK) bash tests/proofs/run.sh $(ONLY)
valgrind:
	$(apt) check
	$(build) all units hosts
	$(run) --under=valgrind $(FILE)
check:
	$(apt) check
	@bash tests/check.sh
reference:
	@$(LUA) tests/tools/reference.lua
format:
	clang-format -i $(shell find lua_module scripts tests -name "*.[ch]")
fuzz:
	$(apt) check
	$(build) BUILD=build/libfuzzer CC=clang SAN=address,undefined \
	  CFLAGS="-O1 -g -fsanitize=fuzzer-no-link" fuzzers
	@bash tests/fuzz/run.sh build/libfuzzer/fuzz $(or $(SECONDS),60) $(ONLY)
torture:
	$(apt) test
	$(build) all $(torture)/alloc
	@ALLOC=$(torture)/alloc LUA_CPATH="$(BUILD)/?.so;;" LUA_PATH="scripts/?.lua;tests/?.lua;;" \
	 $(LUA) tests/torture/main.lua $(STRIDE)
bench:
	$(apt) bench
	$(build) all
	@BUILD=$(BUILD) bash tests/bench/run.sh $(TURNS)
	@BUILD=$(BUILD) bash tests/bench/token_cache.sh $(TURNS)

# Each is one word of the shell and may contain blanks, so that make's functions of
# lists, such as dir and sort, must not read it.
quoted = '$(subst ','\'',$(1))'
dest   = $(call quoted,$(DESTDIR)$(PREFIX))
bin    = $(call quoted,$(DESTDIR)$(INSTALL_BIN))
lmod   = $(call quoted,$(DESTDIR)$(INSTALL_LMOD))
cmod   = $(call quoted,$(DESTDIR)$(INSTALL_CMOD))
lib    = $(call quoted,$(DESTDIR)$(INSTALL_LIB))
inc    = $(call quoted,$(DESTDIR)$(INSTALL_INC))
modules := $(shell cd scripts && find azpec -name '*.lua' -not -name '*.meta.lua')
azpec    = LUA_CPATH="$$(cd '$(NATIVE)' && pwd)/?.so;;" $(LUA) scripts/bin/azpec
# The output of a command becomes a file that all may read, whatever the umask.
# Nothing stays that only root, who may have installed, could replace.
place    = set -e; $(INSTALL) -d "$$(dirname $(1))"; $(2) > $(BUILD)/placed; \
           $(INSTALL) -m $(or $(3),644) $(BUILD)/placed $(1); rm $(BUILD)/placed
manuals := $(dest)/share/man/man1/azpec
concepts := $(dest)/share/man/man7/azpec.7
verbs   := $(notdir $(basename $(wildcard scripts/azpec/cli/verbs/*.lua)))
bash    := $(dest)/share/bash-completion/completions/azpec
zsh     := $(dest)/share/zsh/site-functions/_azpec
fish    := $(dest)/share/fish/vendor_completions.d/azpec.fish
pc      := $(lib)/pkgconfig/azpec.pc
# There is no shared library: what the archive needs is needed without --static too.
below    = $(subst |,,$(subst |$(PREFIX)/,$${prefix}/,|$(1)))
pc_lines = $(call quoted,prefix=$(PREFIX)) \
           $(call quoted,libdir=$(call below,$(INSTALL_LIB))) \
           $(call quoted,includedir=$(call below,$(INSTALL_INC))) '' 'Name: azpec' \
           'Description: Azure Batch private endpoint connections, for Lua' \
           'Version: $(VERSION)' 'Requires: libcurl >= 7.87.0' \
           'Cflags: -I"$${includedir}"' 'Libs: -L"$${libdir}" -lazpec'
install-rock: all # what Lua loads, and the command
	$(INSTALL) -d $(bin) $(cmod) $(patsubst %,$(lmod)/%,$(sort $(dir $(modules))))
	$(call place,$(bin)/azpec,sed '1s|lua5.4|$(LUA)|' scripts/bin/azpec,755)
	$(INSTALL) -m 755 $(BUILD)/azpec.so $(BUILD)/azpec_file.so $(signing) $(cmod)/
	$(INSTALL) -d $(lmod)/azpec/types
	$(INSTALL) -m 644 $(types:%=$(BUILD)/types/%) $(lmod)/azpec/types/
	set -e; for f in $(modules); do \
	  $(INSTALL) -m 644 scripts/$$f $(lmod)/$$f; done
install: install-rock
	$(INSTALL) -d $(lib) $(inc)
	$(INSTALL) -m 644 $(BUILD)/libazpec.a $(lib)/
	$(INSTALL) -m 644 lua_module/azpec.h $(inc)/
	$(call place,$(pc),printf '%s\n' $(pc_lines))
	$(call place,$(manuals).1,$(azpec) help --man)
	for v in $(verbs); do \
	  $(call place,$(manuals)-$$v.1,$(azpec) help $$v --man); done
	$(call place,$(concepts),$(azpec) help concepts --man)
	$(call place,$(bash),$(azpec) completion bash)
	$(call place,$(zsh),$(azpec) completion zsh)
	$(call place,$(fish),$(azpec) completion fish)
uninstall:
	rm -f $(lib)/libazpec.a $(inc)/azpec.h $(pc) $(bash) $(zsh) $(fish) \
	   $(manuals).1 $(verbs:%=$(manuals)-%.1) $(concepts) $(bin)/azpec \
	   $(addprefix $(cmod)/azpec,.so _signing.so _file.so) \
	   $(modules:%=$(lmod)/%) $(types:%=$(lmod)/azpec/types/%)
	if [ -d $(lmod)/azpec ]; then \
	  find $(lmod)/azpec -depth -type d -empty -delete; fi
clean:
	rm -rf build

.PHONY: all tools units hosts fuzzers deps demo test tried unit pictures packaging rockspec debian coverage mutants explore \
        asan tsan soak fuzz torture systems apicheck cxx proofs valgrind check \
        reference types format bench install install-rock uninstall clean
-include $(patsubst %.o,%.d,$(call objects,$(SOURCES) $(SIGNING) $(FILES))) \
         $(patsubst tests/%.c,$(BUILD)/%.d,$(UNITS) $(HOSTS)) \
         $(addsuffix .d,$(fuzzers)) $(torture)/alloc.d
