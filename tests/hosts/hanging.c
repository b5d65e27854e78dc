/*
 * hanging.c -- nothing blocks: a name server that never answers, a connect
 * that hangs, a TLS handshake that hangs and an az that hangs.  update, step,
 * cancel, close and lua_close keep their limits each time.  In a network of
 * its own (unshare), where there is nobody else to answer.
 */
#include "host.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
	NAME_SERVER = 9, /* s that a look-up waits for the answer */
	HANG = 5000      /* ms: a call that takes longer waits for somebody */
};

static bool in_own_network;
static int name_server = -1;
static struct emulator nobody; /* has no process: nothing is asked of it */

/* ---- a network without anybody ------------------------------------------ */

static bool put(const char *path, const char *text) {
	FILE *f = fopen(path, "w");
	bool fine = f && fputs(text, f) >= 0;
	return f && fclose(f) == 0 && fine;
}

static bool leave_network(void) {
	char map[64];
	int uid = (int)getuid();
	if (unshare(CLONE_NEWNS | CLONE_NEWNET) == 0)
		return true;
	snprintf(map, sizeof map, "0 %d 1", uid);
	return unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) == 0 &&
	       put("/proc/self/uid_map", map);
}

static bool raise_loopback(void) {
	struct ifreq lo = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool fine;
	lo.ifr_flags = IFF_UP;
	fine = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
	close(fd);
	return fine;
}

static struct sockaddr_in loopback(int port) {
	struct sockaddr_in at = { .sin_family = AF_INET };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)port);
	return at;
}

/* It is asked, and says nothing. */
static bool start_name_server(void) {
	struct sockaddr_in at = loopback(53);
	char dir[192], file[256], text[64];
	snprintf(file, sizeof file, "%s/resolv.conf",
	         host_folder(dir, sizeof dir));
	snprintf(text, sizeof text,
	         "nameserver 127.0.0.1\noptions timeout:%d attempts:1\n",
	         (int)NAME_SERVER);
	name_server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return bind(name_server, (struct sockaddr *)&at, sizeof at) == 0 &&
	       put(file, text) &&
	       mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(file, "/etc/resolv.conf", "", MS_BIND, NULL) == 0;
}

static int port_of(int fd) {
	struct sockaddr_in at;
	socklen_t size = sizeof at;
	getsockname(fd, (struct sockaddr *)&at, &size);
	return ntohs(at.sin_port);
}

static int listen_at(int backlog) {
	struct sockaddr_in at = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* A port where one more connection has no place: its SYN is passed over. */
static int fill_port(int fds[4]) {
	struct sockaddr_in at;
	fds[0] = listen_at(0);
	at = loopback(port_of(fds[0]));
	for (int i = 1; i < 4; i++) {
		fds[i] = socket(AF_INET,
		                SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fds[i], (struct sockaddr *)&at, sizeof at);
	}
	return port_of(fds[0]);
}

/* ---- what is tried ------------------------------------------------------ */

static const char prelude[] =
	"function guest(timeout)\n"
	"  return azpec.client { endpoint = at, authority_host = at,\n"
	"    timeout = timeout, credential = credential(), proxy = '',\n"
	"    subscription_id = '3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10',\n"
	"    ca_path = '/etc/ssl/certs', retry = { max_tries = 4 } }\n"
	"end\n"
	"function begun(seconds)\n"
	"  c = guest(3600)\n"
	"  p = c:begin_update(approve(1))\n"
	"  p:wait(seconds)\n"
	"  assert(not p:done())\n"
	"  return 'fine'\n"
	"end\n";

static lua_State *state_at(const char *at, const char *credential) {
	lua_State *L = host_state(&nobody);
	char chunk[256];
	assert_non_null(L);
	snprintf(chunk, sizeof chunk,
	         "at = '%s' function credential() return %s end return 1", at,
	         credential);
	host_expect(L, chunk, "1");
	assert_int_equal(luaL_dostring(L, prelude), LUA_OK);
	return L;
}

static void not_hung(int64_t start, const char *what) {
	int64_t took = host_now() - start;
	if (took > HANG * host_patience())
		FAIL("%s: %d ms", what, (int)took);
}

/* Runs it; it has to say just this, and may not wait for anybody. */
static void at_once(lua_State *L, const char *chunk, const char *says) {
	int64_t start = host_now();
	host_expect(L, chunk, says);
	not_hung(start, chunk);
}

/* As a guest in a loop: no step waits. */
static void step_to_the_end(lua_State *L) {
	int64_t longest = 0;
	const char *done;
	host_expect(L, "c = guest(0.3) p = c:begin_update(approve(1)) return 1",
	            "1");
	do {
		int64_t start = host_now();
		done = host_run(L, "c:step() return p:done()");
		not_hung(start, "step");
		if (host_now() - start > longest)
			longest = host_now() - start;
		if (strcmp(done, "true") != 0)
			host_run(L, "client_wait(c:pollfd()) return 1");
	} while (strcmp(done, "true") != 0);
	printf("# the longest step: %d ms\n", (int)longest);
	at_once(L, "return select(2, p:result()).kind", "timeout");
}

static int l_client_wait(lua_State *L) {
	fd_set set;
	struct timeval limit = { .tv_usec = 50000 };
	FD_ZERO(&set);
	FD_SET((int)luaL_checkinteger(L, 1), &set);
	select((int)lua_tointeger(L, 1) + 1, &set, NULL, NULL, &limit);
	return 0;
}

static void close_in_time(lua_State *L) {
	int64_t start = host_now();
	lua_close(L);
	not_hung(start, "lua_close");
}

static void try_all(const char *at, const char *credential) {
	int before = host_descriptors();
	lua_State *L;
	if (!in_own_network)
		skip();
	L = state_at(at, credential);
	lua_register(L, "client_wait", l_client_wait);
	at_once(L, "return select(2, guest(0.3):update(approve(1))).kind",
	        "timeout");
	step_to_the_end(L);
	host_expect(L, "return begun(0.1)", "fine");
	at_once(L, "p:cancel() return select(2, p:result()).kind", "canceled");
	host_expect(L, "return begun(0.1)", "fine");
	at_once(L, "c:close() return select(2, p:result()).kind", "canceled");
	host_expect(L, "return begun(0.1)", "fine");
	at_once(L, "p = nil c = nil collectgarbage() return 1", "1");
	host_expect(L, "return begun(0.1)", "fine");
	close_in_time(L);
	if (strncmp(at, "https://azpec.invalid", 21) !=
	    0) /* threads hold some */
		assert_int_equal(host_descriptors(), before);
}

#define READY "azpec.credential.token { token = 't' }"

static void test_a_name_server_that_never_answers(void **state) {
	int threads = host_threads(), before = host_descriptors();
	(void)state;
	try_all("https://azpec.invalid.example", READY);
	/* libcurl's resolver threads end by themselves, with what they held */
	assert_int_equal(host_wait_threads(threads), threads);
	assert_int_equal(host_descriptors(), before);
}

static void test_a_connect_that_hangs(void **state) {
	char at[64];
	int fds[4];
	(void)state;
	snprintf(at, sizeof at, "https://127.0.0.1:%d", fill_port(fds));
	try_all(at, READY);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void test_a_handshake_that_hangs(void **state) {
	char at[64];
	int fd = listen_at(64);
	(void)state;
	snprintf(at, sizeof at, "https://127.0.0.1:%d", port_of(fd));
	try_all(at, READY);
	close(fd);
}

static void test_an_answer_that_never_comes(void **state) {
	char at[64];
	int fd = listen_at(64);
	(void)state;
	snprintf(at, sizeof at, "http://127.0.0.1:%d", port_of(fd));
	try_all(at, READY);
	close(fd);
}

static void test_an_az_that_hangs(void **state) {
	char dir[192], path[512];
	char *was = strdup(getenv("PATH"));
	(void)state;
	snprintf(path, sizeof path, "%s/az", host_folder(dir, sizeof dir));
	assert_true(put(path, "#!/bin/sh\ntrap '' TERM\n"
	                      "exec tail -f /dev/null\n"));
	chmod(path, 0700);
	snprintf(path, sizeof path, "%s:%s", dir, was);
	setenv("PATH", path, 1);
	try_all("http://127.0.0.1:1", "azpec.credential.azure_cli()");
	setenv("PATH", was, 1);
	free(was);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_server_that_never_answers),
		cmocka_unit_test(test_a_connect_that_hangs),
		cmocka_unit_test(test_a_handshake_that_hangs),
		cmocka_unit_test(test_an_answer_that_never_comes),
		cmocka_unit_test(test_an_az_that_hangs),
	};
	int failed;
	host_first_thread();
	in_own_network =
		leave_network() && raise_loopback() && start_name_server();
	if (!in_own_network)
		printf("# no network of its own is permitted here\n");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (name_server >= 0)
		close(name_server);
	return failed;
}
