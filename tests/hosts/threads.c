/*
 * threads.c -- several Lua states in several threads: all of them approve over
 * TLS at once, are closed in any order and by any thread, while others come
 * and go.
 */
#include "host.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/socket.h>

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
			poll(&ready, 1, host_hang());
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

/* ---- names that are looked up ------------------------------------------- */

/* libcurl makes a thread and a pair of sockets for each name: other threads'
   sockets, made and closed meanwhile, are not taken for such a pair. */

enum { LOOKUPS = 24 };

static bool named;
static atomic_bool enough;

/* A file of names of our own, in the place of the system's. */
static bool name_loopback(void) {
	char dir[192], file[256];
	FILE *f;
	snprintf(file, sizeof file, "%s/hosts", host_folder(dir, sizeof dir));
	f = fopen(file, "w");
	if (f == NULL || fputs("127.0.0.1 azpec.example\n", f) < 0 ||
	    fclose(f) != 0)
		return false;
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(file, "/etc/hosts", "", MS_BIND, NULL) == 0;
}

/* The certificate is for another name: each client looks it up, connects, and
   goes no further. */
static const char look_up[] =
	"local at = e.tls_endpoint:gsub('//[^:]+', '//azpec.example')\n"
	"for n = 1, lookups do\n"
	"  local c <close> = client { endpoint = at, retry = { max_tries = 1 "
	"},\n"
	"    credential = azpec.credential.token { token = 't' } }\n"
	"  local v, err = c:get { id = id(1) }\n"
	"  if err.kind ~= 'untrusted' or not err.message:find 'azpec.example'\n"
	"  then return tostring(err) end\n"
	"end\n"
	"return 'looked up'\n";

static void *look_up_many(void *ud) {
	struct guest *g = ud;
	g->L = host_state(&emulator);
	if (g->L == NULL)
		return NULL;
	lua_pushinteger(g->L, LOOKUPS);
	lua_setglobal(g->L, "lookups");
	g->said = host_run(g->L, look_up);
	return NULL;
}

/* The host's own pairs, which its programs are to inherit. */
static void *make_pairs(void *ud) {
	size_t *taken = ud;
	while (!enough) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
			continue;
		sched_yield();
		for (int i = 0; i < 2; i++) {
			*taken += (fcntl(pair[i], F_GETFD) & FD_CLOEXEC) != 0;
			close(pair[i]);
		}
	}
	return NULL;
}

static void test_names_are_looked_up_in_many_threads(void **state) {
	struct guest g[4];
	pthread_t pairs;
	int before = host_descriptors(), threads = host_threads();
	size_t taken = 0;
	(void)state;
	if (!named) {
		printf("# no names of its own are permitted here\n");
		skip();
	}
	enough = false;
	pthread_create(&pairs, NULL, make_pairs, &taken);
	for (int i = 0; i < 4; i++) {
		g[i] = (struct guest){ .number = i, .said = "no memory" };
		pthread_create(&g[i].thread, NULL, look_up_many, &g[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(g[i].thread, NULL);
	enough = true;
	pthread_join(pairs, NULL);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(g[i].said, "looked up");
		lua_close(g[i].L);
	}
	assert_int_equal(host_wait_threads(threads), threads);
	assert_int_equal(host_descriptors(), before);
	assert_int_equal(taken, 0);
}

/* ---- the run ------------------------------------------------------------ */

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_eight_states_approve_at_once),
		TEST(test_a_state_is_closed_by_another_thread),
		TEST(test_a_state_wanders_from_thread_to_thread),
		TEST(test_states_come_and_go),
		TEST(test_names_are_looked_up_in_many_threads),
	};
	named = name_loopback();
	return RUN(tests);
}
