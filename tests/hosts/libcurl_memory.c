/*
 * libcurl_memory.c -- a host whose libcurl runs out of memory at each of its
 * allocations in turn.  Every request that is sent is whole, and with memory
 * back the same client works at once.
 */
#include "host.h"

#include <curl/curl.h>

static long left; /* allocations until the one that fails; 0: none does */

static bool fails(void) {
	return left > 0 && --left == 0;
}

static void *take(size_t n) {
	return fails() ? NULL : malloc(n);
}

static void *take_zeroed(size_t n, size_t size) {
	return fails() ? NULL : calloc(n, size);
}

static void *resize(void *p, size_t n) {
	return fails() ? NULL : realloc(p, n);
}

static char *copy(const char *s) {
	return fails() ? NULL : strdup(s);
}

static int l_fail_at(lua_State *L) {
	left = (long)lua_tointeger(L, 1);
	return 0;
}

static int l_reached(lua_State *L) {
	lua_pushboolean(L, left == 0);
	return 1;
}

/* Until nothing failed any more: then all allocations of the call were tried.
   An update has two pauses of 0.1 s, so each 16th allocation will do. */
static const char torture[] =
	"local c <close> = client { endpoint = e.endpoint,\n"
	"  authority_host = e.endpoint }\n"
	"assert(c:get { id = id(1) })\n"
	"local function complaint(call, options, n)\n"
	"  fail_at(n)\n"
	"  local ok, value, err = pcall(call, c, options)\n"
	"  local reached = reached()\n"
	"  fail_at(0)\n"
	"  local why = tostring(ok and err or value)\n"
	"  if not (ok and value or why:lower():find 'memory') then\n"
	"    return ('%d: a false reason: %s'):format(n, why)\n"
	"  end\n"
	"  local read, why = c:get { id = id(1) }\n"
	"  if not read then\n"
	"    return ('%d: with memory back: %s'):format(n, tostring(why))\n"
	"  end\n"
	"  return not reached and 'all'\n"
	"end\n"
	"for call, step in pairs { get = 1, update = 16 } do\n"
	"  local n, why = 1, nil\n"
	"  repeat\n"
	"    why = complaint(c[call], call == 'get' and { id = id(1) }\n"
	"      or approve(1), n)\n"
	"    n = n + step\n"
	"  until why\n"
	"  if why ~= 'all' or n < 20 then return call .. ' ' .. n .. why end\n"
	"end\n"
	"return 'fine'\n";

/* Each with its query: without it, a poll or a page is another one. */
static void expect_whole_requests(void) {
	static const char *const kinds[] = { "update", "get", "poll" };
	for (size_t i = 0; i < COUNT(kinds); i++)
		assert_int_equal(
			emulator_count(&emulator, kinds[i], "\"status\":400"),
			0);
}

static void libcurl_runs_out_of_memory(void **state) {
	lua_State *L = host_state(&emulator);
	(void)state;
	assert_non_null(L);
	lua_register(L, "fail_at", l_fail_at);
	lua_register(L, "reached", l_reached);
	host_expect(L, torture, "fine");
	expect_whole_requests();
	lua_close(L);
}

int main(void) {
	static const struct CMUnitTest tests[] = {
		TEST(libcurl_runs_out_of_memory),
	};
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, take, free, resize, copy,
	                         take_zeroed) != CURLE_OK)
		return 1;
	return RUN(tests);
}
