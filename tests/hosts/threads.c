/*
 * threads.c -- several Lua states in several threads: all of them approve over
 * TLS at once, are closed in any order and by any thread, while others come
 * and go.
 */
#include "host.h"

#include <ctype.h>
#include <poll.h>
#include <pthread.h>

enum { STATES = 8, EACH = 8 };

/* ---- all at once -------------------------------------------------------- */

static const char approve_eight[] =
	"c = client()\n"
	"local pollers, last = {}, nil\n"
	"for n = first, first + 7 do\n"
	"  pollers[#pollers + 1] = c:begin_update(approve(n))\n"
	"end\n"
	"for _, poller in ipairs(pollers) do\n"
	"  last = assert(poller:wait())\n"
	"  assert(last.properties.privateLinkServiceConnectionState.status\n"
	"    == 'Approved')\n"
	"end\n"
	"return 'approved'\n";

struct guest {
	pthread_t thread;
	pthread_barrier_t *together;
	lua_State *L;
	int number;
	const char *said; /* on the stack of L */
};

static void *work(void *ud) {
	struct guest *g = ud;
	pthread_barrier_wait(g->together);
	g->L = host_state(&emulator);
	if (g->L == NULL)
		return NULL;
	lua_pushinteger(g->L, g->number * EACH + 1);
	lua_setglobal(g->L, "first");
	g->said = host_run(g->L, approve_eight);
	return NULL;
}

static void run_all(struct guest *g) {
	static pthread_barrier_t together;
	pthread_barrier_init(&together, NULL, STATES);
	for (int i = 0; i < STATES; i++) {
		g[i] = (struct guest){ .together = &together, .number = i };
		assert_int_equal(
			pthread_create(&g[i].thread, NULL, work, &g[i]), 0);
	}
	for (int i = 0; i < STATES; i++)
		pthread_join(g[i].thread, NULL);
	pthread_barrier_destroy(&together);
	for (int i = 0; i < STATES; i++)
		assert_string_equal(g[i].said, "approved");
}

static void expect_eight_each(void) {
	assert_int_equal(emulator_count(&emulator, "update", NULL),
	                 STATES * EACH);
	assert_int_equal(emulator_count(&emulator, "token", NULL), STATES);
}

static void test_eight_states_approve_at_once(void **state) {
	struct guest g[STATES];
	int before = host_descriptors(), threads = host_threads();
	(void)state;
	run_all(g);
	expect_eight_each();
	for (int i = 0; i < STATES; i++) /* odd ones first */
		lua_close(g[(2 * i + 1) % (STATES + 1)].L);
	assert_int_equal(host_descriptors(), before);
	assert_int_equal(host_wait_threads(threads), threads);
}

static void *close_state(void *ud) {
	lua_close(ud);
	return NULL;
}

static void test_a_state_is_closed_by_another_thread(void **state) {
	struct guest g[STATES];
	pthread_t closer[STATES];
	int before = host_descriptors();
	(void)state;
	run_all(g);
	for (int i = 0; i < STATES; i++)
		pthread_create(&closer[i], NULL, close_state, g[i].L);
	for (int i = 0; i < STATES; i++)
		pthread_join(closer[i], NULL);
	expect_eight_each();
	assert_int_equal(host_descriptors(), before);
}

/* ---- one state, several threads, one after the other -------------------- */

static void *step_once(void *ud) {
	lua_State *L = ud;
	host_run(L, "p:step() return p:done() or p:pollfd()");
	return NULL;
}

static void test_a_state_wanders_from_thread_to_thread(void **state) {
	lua_State *L = host_state(&emulator);
	const char *said;
	(void)state;
	assert_non_null(L);
	host_expect(L, "c = client() p = c:begin_update(approve(1)) return 1",
	            "1");
	do {
		struct pollfd ready = { .events = POLLIN };
		pthread_t thread;
		pthread_create(&thread, NULL, step_once, L);
		pthread_join(thread, NULL);
		said = lua_tostring(L, -1);
		ready.fd = atoi(said);
		if (ready.fd > 0)
			poll(&ready, 1, 20000 * host_patience());
	} while (isdigit((unsigned char)*said));
	assert_string_equal(said, "true");
	host_expect(L, "return assert(p:result()).id == id(1)", "true");
	lua_close(L);
	assert_int_equal(emulator_count(&emulator, "update", NULL), 1);
}

/* ---- coming and going --------------------------------------------------- */

enum { TURNS = 6 };

/* Every other state is closed with its operations under way. */
static void *come_and_go(void *ud) {
	struct guest *g = ud;
	g->said = "approved";
	for (int turn = 0; turn < TURNS; turn++) {
		lua_State *L = host_state(&emulator);
		const char *said = "no memory";
		if (L != NULL) {
			lua_pushinteger(L, g->number * EACH + 1);
			lua_setglobal(L, "first");
			said = host_run(L, turn % 2 == 0 ? approve_eight
			                                 : "c = client()\n"
			                                   "for n = 1, 3 do\n"
			                                   "c:begin_update("
			                                   "approve(n)) end\n"
			                                   "c:step()\n"
			                                   "return 'approved'");
			if (strcmp(said, "approved") != 0)
				g->said = "not approved";
			lua_close(L);
		}
	}
	return NULL;
}

static void test_states_come_and_go(void **state) {
	struct guest g[4];
	int before = host_descriptors(), threads = host_threads();
	(void)state;
	for (int i = 0; i < 4; i++) {
		g[i] = (struct guest){ .number = i };
		pthread_create(&g[i].thread, NULL, come_and_go, &g[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(g[i].thread, NULL);
	for (int i = 0; i < 4; i++)
		assert_string_equal(g[i].said, "approved");
	assert_int_equal(host_descriptors(), before);
	assert_int_equal(host_wait_threads(threads), threads);
}

/* ---- the run ------------------------------------------------------------ */

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_eight_states_approve_at_once),
		TEST(test_a_state_is_closed_by_another_thread),
		TEST(test_a_state_wanders_from_thread_to_thread),
		TEST(test_states_come_and_go),
	};
	return RUN(tests);
}
