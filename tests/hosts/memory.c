/*
 * memory.c -- a host whose memory ends: tests/hosts/memory.lua, once for each
 * allocation from which on none succeeds, or none for a while.  Nothing may
 * crash, be lost, or be left when the Lua state is closed.  Prints TAP.
 */
#include <azpec.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* The allocator's user data. */
struct memory {
	bool armed;
	long live, count; /* blocks; allocations since it was armed */
	long from, until; /* those that fail */
};

static void *resize(void *ud, void *p, size_t osize, size_t nsize) {
	struct memory *m = ud;
	void *q;
	if (nsize == 0) {
		m->live -= p != NULL;
		free(p);
		return NULL;
	}
	if (m->armed && (p == NULL || nsize > osize) && ++m->count >= m->from &&
	    m->count < m->until)
		return NULL;
	q = realloc(p, nsize);
	m->live += q != NULL && p == NULL;
	return q;
}

static int l_arm(lua_State *L) {
	void *ud;
	lua_getallocf(L, &ud);
	((struct memory *)ud)->armed = lua_toboolean(L, 1);
	return 0;
}

/* What went wrong first: printed below the test's line. */
static char problem[1000];

static void note(long from, const char *why, long n) {
	if (*problem == '\0')
		snprintf(problem, sizeof problem, "# from %ld: %s (%ld)\n",
		         from, why, n);
}

/* False: noted what is wrong. */
static bool play(struct memory *m) {
	lua_State *L = lua_newstate(resize, m);
	bool fine;
	if (L == NULL)
		return false;
	luaL_openlibs(L);
	/* linked in: its known leak then has a name, see lsan.supp */
	luaL_requiref(L, "cjson", luaopen_cjson, 0);
	luaL_requiref(L, "azpec", luaopen_azpec, 0);
	lua_settop(L, 0);
	fine = luaL_loadfile(L, "tests/hosts/memory.lua") == LUA_OK;
	lua_pushcfunction(L, l_arm);
	fine = fine && lua_pcall(L, 1, 0, 0) == LUA_OK;
	m->armed = false;
	if (!fine)
		note(m->from, lua_tostring(L, -1), lua_gettop(L));
	lua_close(L);
	if (m->live != 0)
		note(m->from, "blocks left", m->live);
	return fine && m->live == 0;
}

static bool torture(long step, long width) {
	struct memory m;
	bool fine = true;
	long from = 1;
	do {
		m = (struct memory){ .from = from, .until = from + width };
		fine = play(&m) && fine;
		from += step;
	} while (m.count >= m.from);
	printf("# %ld allocations\n", m.count);
	return fine && m.count > 100;
}

int main(void) {
	static const struct {
		long width, step;
		const char *what;
	} tests[] = { { LONG_MAX / 2, 1, "memory ends, at each allocation" },
		      { 20, 9, "memory is short for a while" } };
	const char *under = getenv("TEST_UNDER");
	bool slow = under != NULL && *under != 'n'; /* not "nothing" */
	bool fine = true;
	for (int i = 0; i < 2; i++) {
		bool passed =
			torture(slow ? 23 : tests[i].step, tests[i].width);
		printf("%sok %d - %s\n%s", passed ? "" : "not ", i + 1,
		       tests[i].what, problem);
		*problem = '\0';
		fine = fine && passed;
	}
	printf("1..2\n");
	return !fine;
}
