/*
 * guests.c -- three more hosts: one that loads and unloads the shared module
 * again and again, one that uses libcurl itself beside it, and one that has a
 * poll() loop of its own.
 */
#include "host.h"

#include <curl/curl.h>
#include <poll.h>

/* ---- loaded and unloaded ------------------------------------------------ */

/* A state that finds the module as any lua would, by package.cpath. */
static void load_and_close(const char *work) {
	lua_State *L = luaL_newstate();
	const char *build = getenv("BUILD");
	char chunk[256];
	assert_non_null(L);
	assert_true(host_furnish(L, &emulator));
	snprintf(chunk, sizeof chunk,
	         "package.loaded.azpec = nil\n"
	         "package.cpath = '%s/?.so;' .. package.cpath\n"
	         "local linked = azpec\n"
	         "azpec = require 'azpec'\n"
	         "return azpec ~= linked",
	         build ? build : "build");
	host_expect(L, chunk, "true");
	host_expect(L, work, "fine");
	lua_close(L); /* dlclose */
}

static int mappings(void) {
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0;
	for (int c; f && (c = fgetc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void test_the_module_is_loaded_and_unloaded(void **state) {
	static const char *const work[] = {
		"return 'fine'",
		"local c <close> = client()\n"
		"return assert(c:update(approve(1))).id and 'fine'",
		"c = client() c:begin_update(approve(2)) c:step() return "
		"'fine'",
		"c = client { endpoint = 'https://azpec.invalid',\n"
		"  credential = azpec.credential.token { token = 't' } }\n"
		"c:begin_update(approve(1)) c:step() c:step() return 'fine'",
	};
	int before = host_descriptors(), threads = host_threads(), maps = 0;
	(void)state;
	for (int turn = 0; turn < 40; turn++) {
		load_and_close(work[(size_t)turn % COUNT(work)]);
		if (turn == 19)
			maps = mappings();
	}
	assert_int_equal(host_wait_threads(threads), threads);
	assert_int_equal(host_descriptors(), before);
	/* a module that stayed would be five in each of the twenty turns */
	if (mappings() > maps + 50)
		FAIL("%d mappings, and %d half-way", mappings(), maps);
}

/* ---- beside another user of libcurl ------------------------------------- */

static size_t swallow(char *p, size_t size, size_t n, void *ud) {
	(void)p, (void)ud;
	return size * n;
}

/* The host's own request; it ignores errors of the emulator's, not libcurl's.
 */
static void fetch(void) {
	CURL *easy = curl_easy_init();
	long status = 0;
	curl_easy_setopt(easy, CURLOPT_URL, emulator.tls_endpoint);
	curl_easy_setopt(easy, CURLOPT_CAINFO, emulator.ca_file);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
	assert_int_equal(curl_easy_perform(easy), CURLE_OK);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	assert_true(status >= 200 && status <= 499);
	curl_easy_cleanup(easy);
}

static const char approve_one[] =
	"return assert(c:update(approve(1))).id == id(1)";

static void test_the_host_uses_libcurl_too(void **state) {
	lua_State *L;
	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
		fetch();
		L = host_state(&emulator);
		host_expect(L, "c = client() return 1", "1");
		host_expect(L, approve_one, "true");
		fetch();
		curl_global_cleanup(); /* the host's end is not azpec's */
		host_expect(L, approve_one, "true");
		assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
		lua_close(L); /* and the other way round */
		fetch();
		curl_global_cleanup();
	}
}

/* ---- a poll() loop of the host's own ------------------------------------ */

static void test_a_poll_loop_with_a_ticking_timer(void **state) {
	lua_State *L = host_state(&emulator);
	int ticks = 0, wakes = 0;
	int64_t tick, end = host_now() + host_hang();
	struct pollfd ready = { .events = POLLIN };
	(void)state;
	host_expect(L,
	            "c = client() left = 0\n"
	            "for n = 1, 40 do c:begin_update(approve(n)) left = n end\n"
	            "function turn()\n"
	            "  c:step()\n"
	            "  for _, value, err in c:finished() do\n"
	            "    assert(value, err) left = left - 1\n"
	            "  end\n"
	            "  return left\n"
	            "end\n"
	            "return 1",
	            "1");
	ready.fd = atoi(host_run(L, "return c:pollfd()"));
	tick = host_now() + 5;
	while (strcmp(host_run(L, "return turn()"), "0") != 0 &&
	       host_now() < end) {
		int64_t left = tick - host_now();
		wakes += poll(&ready, 1, left > 0 ? (int)left : 0) > 0;
		if (host_now() >= tick) {
			ticks++;
			tick = host_now() + 5;
		}
	}
	host_expect(L, "return left", "0");
	assert_int_equal(atoi(host_run(L, "return c:pollfd()")), ready.fd);
	host_run(L, "c:step() return 1");
	assert_int_equal(poll(&ready, 1, 50), 0); /* and now it is silent */
	lua_close(L);
	assert_true(ticks > 0);
	printf("# %d ticks, %d wake-ups\n", ticks, wakes);
	assert_int_equal(emulator_count(&emulator, "update", NULL), 40);
}

/* ---- the run ------------------------------------------------------------ */

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_module_is_loaded_and_unloaded),
		TEST(test_the_host_uses_libcurl_too),
		TEST(test_a_poll_loop_with_a_ticking_timer),
	};
	return RUN(tests);
}
