/*
 * soak.c [SECONDS [SEED]] -- the host of soak.lua: clients and pollers are
 * begun, canceled, dropped, closed, resumed and collected at random, under a
 * merciless collector and an emulator that misbehaves.  After lua_close all
 * memory has come back, no descriptor and no thread is left, and judge.lua has
 * found every operation's end and every write in the emulator's log.
 */
#include "host.h"

#include <poll.h>
#include <time.h>

enum { SHORT = 6 }; /* seconds, as one of the tests */

static struct {
	struct emulator emulator;
	int seconds, seed;
	FILE *ledger;
	char ledger_file[256];
	size_t bytes, blocks; /* what the Lua state holds */
	int descriptors, threads;
	char ran[512]; /* what soak.lua returned */
} t;

/* ---- what soak.lua is given --------------------------------------------- */

/* Everything of the state's comes through here, azpec's own memory too. */
static void *count(void *ud, void *p, size_t was, size_t size) {
	void *to;
	(void)ud;
	if (p == NULL)
		was = 0;
	if (size == 0) {
		t.bytes -= was;
		t.blocks -= p != NULL;
		free(p);
		return NULL;
	}
	to = realloc(p, size);
	if (to != NULL) {
		t.bytes += size - was;
		t.blocks += p == NULL;
	}
	return to;
}

/* wait({fd, ...}, seconds) -> {[fd] = true, ...} of the readable ones */
static int l_wait(lua_State *L) {
	struct pollfd fds[256];
	nfds_t n = 0;
	luaL_checktype(L, 1, LUA_TTABLE);
	for (lua_Integer i = 1; n < COUNT(fds); i++, lua_pop(L, 1)) {
		if (lua_rawgeti(L, 1, i) == LUA_TNIL)
			break;
		fds[n].fd = (int)lua_tointeger(L, -1);
		fds[n++].events = POLLIN;
	}
	poll(fds, n, (int)(luaL_checknumber(L, 2) * 1000));
	lua_newtable(L);
	for (nfds_t i = 0; i < n; i++) {
		lua_pushboolean(L, fds[i].revents != 0);
		lua_rawseti(L, -2, fds[i].fd);
	}
	return 1;
}

/* now() -> milliseconds */
static int l_now(lua_State *L) {
	lua_pushinteger(L, host_now());
	return 1;
}

/* note(line): into the ledger, outside of the state's memory */
static int l_note(lua_State *L) {
	fprintf(t.ledger, "%s\n", luaL_checkstring(L, 1));
	return 0;
}

/* control(method, what, json): of the emulator */
static int l_control(lua_State *L) {
	free(emulator_control(&t.emulator, luaL_checkstring(L, 1),
	                      luaL_checkstring(L, 2), luaL_checkstring(L, 3)));
	return 0;
}

/* token() -> an access token that the emulator knows */
static int l_token(lua_State *L) {
	char *token = emulator_token(&t.emulator);
	lua_pushstring(L, token);
	free(token);
	return 1;
}

static const luaL_Reg functions[] = {
	{ "wait", l_wait },       { "now", l_now },     { "note", l_note },
	{ "control", l_control }, { "token", l_token }, { NULL, NULL }
};

/* ---- the run ------------------------------------------------------------ */

/* Runs a file with two arguments; what it returned, or raised. */
static int run(lua_State *L, const char *file, const char *a, lua_Integer b,
               lua_Integer c) {
	int status = luaL_loadfile(L, file);
	if (status == LUA_OK) {
		lua_pushstring(L, a);
		lua_pushinteger(L, b);
		lua_pushinteger(L, c);
		status = lua_pcall(L, 3, 1, 0);
	}
	luaL_tolstring(L, -1, NULL);
	return status;
}

static void test_it_runs(void **state) {
	lua_State *L = lua_newstate(count, NULL);
	int status;
	(void)state;
	t.descriptors = host_descriptors();
	t.threads = host_threads();
	t.ledger = fopen(t.ledger_file, "w");
	host_furnish(L, &t.emulator);
	luaL_newlib(L, functions);
	lua_setglobal(L, "host");
	status = run(L, "tests/soak/soak.lua", "", t.seconds, t.seed);
	snprintf(t.ran, sizeof t.ran, "%s", lua_tostring(L, -1));
	lua_close(L);
	fclose(t.ledger);
	if (status != LUA_OK)
		FAIL("seed %d: %s", t.seed, t.ran);
	printf("# %s\n", t.ran);
}

static void test_all_memory_came_back(void **state) {
	(void)state;
	assert_int_equal(t.blocks, 0);
	assert_int_equal(t.bytes, 0);
}

static void test_no_descriptor_is_left(void **state) {
	(void)state;
	assert_int_equal(host_descriptors(), t.descriptors);
	assert_int_equal(host_wait_threads(t.threads), t.threads);
}

static void test_every_operation_is_accounted_for(void **state) {
	lua_State *L = host_state(&t.emulator);
	int status;
	(void)state;
	lua_pushstring(L, t.ledger_file);
	lua_setglobal(L, "ledger");
	status = run(L, "tests/soak/judge.lua", t.emulator.log, 0, 0);
	snprintf(t.ran, sizeof t.ran, "%s", lua_tostring(L, -1));
	lua_close(L);
	if (status != LUA_OK)
		FAIL("seed %d: %s", t.seed, t.ran);
	printf("# %s\n", t.ran);
}

static int start(void **state) {
	char dir[192];
	(void)state;
	host_first_thread();
	emulator_start(&t.emulator);
	snprintf(t.ledger_file, sizeof t.ledger_file, "%s/ledger",
	         host_folder(dir, sizeof dir));
	return 0;
}

static int finish(void **state) {
	(void)state;
	emulator_stop(&t.emulator);
	return 0;
}

int main(int argc, char **argv) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_runs),
		cmocka_unit_test(test_all_memory_came_back),
		cmocka_unit_test(test_no_descriptor_is_left),
		cmocka_unit_test(test_every_operation_is_accounted_for),
	};
	t.seconds = argc > 1 ? atoi(argv[1]) : SHORT;
	t.seed = argc > 2 ? atoi(argv[2]) : (int)(time(NULL) % 1000000);
	printf("# %d seconds, seed %d\n", t.seconds, t.seed);
	return cmocka_run_group_tests(tests, start, finish);
}
