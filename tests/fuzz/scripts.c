/*
 * scripts.c -- the files that the command reads, in a Lua state: plans,
 * journals, rules, states of the emulator, continuation tokens.  scripts.lua
 * has a function for each; this file is built once for each of them, as FUZZED.
 *
 *   - a file is read, or refused by a message with its name and no traceback;
 *   - nothing of the host is changed by what a file holds;
 *   - time (libFuzzer's -timeout) and memory have an end.
 *
 * libFuzzer is told which lines of the scripts an input reaches: each line is
 * a counter of its own in the section that it reads beside its own.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "azpec.h"

enum { COUNTERS = 1 << 16, MOST_BYTES = 64 << 20 };

int luaopen_azpec_file(lua_State *L);

__attribute__((section("__libfuzzer_extra_counters"),
               used)) static uint8_t counters[COUNTERS];

static size_t held;

/* Lua's memory, with an end. */
static void *allocate(void *ud, void *p, size_t osize, size_t nsize) {
	(void)ud;
	osize = p ? osize : 0;
	if (nsize > osize && held + nsize - osize > MOST_BYTES)
		return NULL;
	held = held - osize + nsize;
	if (nsize > 0)
		return realloc(p, nsize);
	free(p);
	return NULL;
}

static void on_line(lua_State *L, lua_Debug *at) {
	uintptr_t where;
	lua_getinfo(L, "S", at);
	where = (uintptr_t)at->source * 31 + (uintptr_t)at->currentline;
	counters[(where ^ where >> 16) % COUNTERS]++;
}

static _Noreturn void stop(lua_State *L, const char *what) {
	const char *why = lua_tostring(L, -1);
	fprintf(stderr, "fuzz: %s: %s\n", what, why ? why : "(no text)");
	abort();
}

static int traced(lua_State *L) {
	const char *why = luaL_tolstring(L, 1, NULL);
	luaL_traceback(L, L, why, 1);
	return 1;
}

/* At index 1 lies traced, at index 2 the function of scripts.lua. */
static lua_State *new_state(void) {
	lua_State *L = lua_newstate(allocate, NULL);
	if (!L)
		abort();
	luaL_openlibs(L);
	luaL_requiref(L, "azpec", luaopen_azpec, 0);
	luaL_requiref(L, "azpec_file", luaopen_azpec_file, 0);
	lua_settop(L, 0);
	lua_pushcfunction(L, traced);
	if (luaL_dofile(L, "tests/fuzz/scripts.lua"))
		stop(L, "scripts.lua");
	lua_getfield(L, -1, FUZZED);
	lua_remove(L, -2);
	return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	if (!L)
		L = new_state();
	lua_sethook(L, on_line, LUA_MASKLINE, 0);
	lua_pushvalue(L, 2);
	lua_pushlstring(L, (const char *)data, size);
	if (lua_pcall(L, 1, 0, 1))
		stop(L, "raised");
	lua_settop(L, 2);
	return 0;
}
