/*
 * manners.c -- a guest's manners, each counted: signals, descriptors, the
 * locale, the environment, the directory and threads are as the host left
 * them, before, during and after; a peer that is gone in the middle of a write
 * is an error and no SIGPIPE.
 */
#include "host.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

/* ---- the process as a whole --------------------------------------------- */

struct process {
	struct sigaction actions[NSIG];
	sigset_t mask;
	mode_t umask;
	char directory[PATH_MAX], locale[128];
	char environment[65536];
	int threads;
};

static void look(struct process *p) {
	size_t n = 0;
	memset(p, 0, sizeof *p);
	for (int s = 1; s < NSIG; s++)
		sigaction(s, NULL, &p->actions[s]);
	sigprocmask(SIG_BLOCK, NULL, &p->mask);
	p->umask = umask(022);
	umask(p->umask);
	assert_non_null(getcwd(p->directory, sizeof p->directory));
	snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
	for (char **e = environ; *e; e++)
		n += (size_t)snprintf(p->environment + n,
		                      sizeof p->environment - n, "%s\n", *e);
	p->threads = host_threads();
}

static void expect_same(const struct process *was) {
	static struct process is;
	look(&is);
	for (int s = 1; s < NSIG; s++)
		if (was->actions[s].sa_handler != is.actions[s].sa_handler)
			FAIL("the handler of signal %d was changed", s);
	assert_memory_equal(&was->mask, &is.mask, sizeof is.mask);
	assert_int_equal(was->umask, is.umask);
	assert_string_equal(was->directory, is.directory);
	assert_string_equal(was->locale, is.locale);
	assert_string_equal(was->environment, is.environment);
}

/* All that touches the world: TLS, a name that does not resolve, a program
   that is not there, a list, a refused connection. */
static const char work[] =
	"assert(c:update(approve(1)))\n"
	"for _ in c:list { resource_group_name = 'rg',\n"
	"  account_name = 'hostacct' } do end\n"
	"local function fails(t) local other <close> = client(t)\n"
	"  assert(not other:get { id = id(2) }) end\n"
	"fails { endpoint = 'https://azpec.invalid', retry = { max_tries = 1 "
	"},\n"
	"  credential = azpec.credential.token { token = 't' } }\n"
	"fails { endpoint = 'http://127.0.0.1:1', retry = { max_tries = 1 },\n"
	"  credential = azpec.credential.azure_developer_cli() }\n"
	"return 'fine'\n";

static void test_the_process_is_left_as_it_was(void **state) {
	static struct process was;
	lua_State *L;
	(void)state;
	signal(SIGPIPE, SIG_DFL);
	look(&was);
	L = host_state(&emulator);
	expect_same(&was);
	host_expect(L, "c = client() return 'fine'", "fine");
	expect_same(&was);
	host_expect(L,
	            "p = c:begin_update(approve(3)) p:wait(0.03)\n"
	            "return 'fine'",
	            "fine");
	expect_same(&was); /* with a transfer on its way */
	host_expect(L, work, "fine");
	expect_same(&was);
	lua_close(L);
	expect_same(&was);
	/* libcurl's resolver thread ends by itself */
	assert_int_equal(host_wait_threads(was.threads), was.threads);
}

static void test_no_global_is_set(void **state) {
	lua_State *L = host_state(&emulator);
	(void)state;
	host_expect(L,
	            "local before = {}\n"
	            "for k in pairs(_G) do before[k] = true end\n"
	            "local mine <close> = client()\n"
	            "assert(mine:update(approve(1)))\n"
	            "for k in pairs(_G) do assert(before[k], k) end\n"
	            "return 'fine'",
	            "fine");
	lua_close(L);
}

/* ---- descriptors -------------------------------------------------------- */

/* A pair of sockets that libcurl made for itself, see SECURITY.md. */
static bool is_libcurls(int fd) {
	int domain = AF_UNSPEC;
	socklen_t size = sizeof domain;
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	return domain == AF_UNIX;
}

/* The first, beyond those that are known, that a program which the host starts
   would inherit, and what it is; -1: none. */
static int inherited(const bool *known, char *to, size_t size) {
	for (int fd = 0; fd < 1024; fd++) {
		char path[64];
		int flags = known[fd] ? -1 : fcntl(fd, F_GETFD);
		ssize_t n;
		if (flags < 0 || (flags & FD_CLOEXEC) || is_libcurls(fd))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, to, size - 1);
		to[n > 0 ? n : 0] = '\0';
		return fd;
	}
	return -1;
}

static void expect_cloexec(const char *when, const bool *known) {
	char to[128];
	int fd = inherited(known, to, sizeof to);
	if (fd >= 0)
		FAIL("%s: descriptor %d (%s) is not close-on-exec", when, fd,
		     to);
}

static void put_hanging_az(char *dir, size_t size) {
	char path[4096];
	FILE *f;
	snprintf(path, sizeof path, "%s/az", host_folder(dir, size));
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("#!/bin/sh\nexec tail -f /dev/null\n", f);
	fchmod(fileno(f), 0700);
	fclose(f);
	snprintf(path, sizeof path, "%s:%s", dir, getenv("PATH"));
	setenv("PATH", path, 1);
}

static void test_every_descriptor_is_close_on_exec(void **state) {
	static bool known[1024];
	char dir[192], *path = strdup(getenv("PATH"));
	lua_State *L = host_state(&emulator);
	(void)state;
	for (int fd = 0; fd < 1024; fd++)
		known[fd] = fcntl(fd, F_GETFD) >= 0;
	host_expect(L, "c = client() return 1", "1");
	expect_cloexec("a client", known);
	host_expect(L,
	            "p = {} for n = 1, 8 do p[n] = c:begin_update(approve(n))\n"
	            "end c:step() return 1",
	            "1");
	expect_cloexec("connecting", known);
	host_expect(L,
	            "while p[1]:progress().polls < 1 do p[1]:wait(0.005) end\n"
	            "return 1",
	            "1");
	expect_cloexec("polling over TLS", known);
	host_expect(L,
	            "d = client { endpoint = 'https://azpec.invalid',\n"
	            "  credential = azpec.credential.token { token = 't' } }\n"
	            "q = d:begin_update(approve(1)) d:step() d:step() return 1",
	            "1");
	expect_cloexec("looking a name up", known);
	put_hanging_az(dir, sizeof dir);
	host_expect(L,
	            "f = client { credential = azpec.credential.azure_cli() }\n"
	            "r = f:begin_update(approve(1)) f:step() f:step()\n"
	            "return r:done()",
	            "false");
	expect_cloexec("az is running", known);
	host_expect(L, "d:close() f:close() c:close() return 1", "1");
	expect_cloexec("closed", known);
	lua_close(L);
	setenv("PATH", path, 1);
	free(path);
}

/* azpec's or libcurl's.  A UDP socket belongs to a name lookup of the C
   library, which happens in a thread of its own. */
static bool is_ours(int fd) {
	char path[64], to[64] = "";
	int type = 0;
	socklen_t size = sizeof type;
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t length = sizeof at;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (readlink(path, to, sizeof to - 1) < 0)
		return false;
	getsockname(fd, (struct sockaddr *)&at, &length);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	return at.ss_family == AF_UNIX || type == SOCK_STREAM ||
	       strstr(to, "anon_inode:");
}

static int ours_below(int limit) {
	int n = 0;
	for (int fd = 0; fd < limit; fd++)
		n += is_ours(fd);
	return n;
}

static void close_standard(void) {
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
}

/* The C library does not try nscd's socket in the next lookups then. */
static void look_up_a_name(void) {
	struct addrinfo *found = NULL;
	if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
		freeaddrinfo(found);
}

/* Before a client is made, while it works, and while it looks a name up. */
static int without_standard_descriptors(lua_State *L) {
	int seen = 0;
	look_up_a_name();
	close_standard();
	host_run(L, "c = client() p = c:begin_update(approve(1)) return 1");
	seen += ours_below(3);
	host_run(L, "while p:progress().polls < 1 do p:wait(0.005) end");
	seen += ours_below(3);
	close_standard();
	host_run(L, "q = client():begin_update(approve(2)) q:wait(0.005)");
	seen += ours_below(3);
	close_standard();
	host_run(L, "d = client { endpoint = 'https://azpec.invalid',\n"
	            "  credential = azpec.credential.token { token = 't' } }\n"
	            "r = d:begin_update(approve(1)) d:step() d:step()");
	seen += ours_below(3);
	return seen;
}

static void test_no_descriptor_of_ours_is_a_standard_one(void **state) {
	lua_State *L = host_state(&emulator);
	pid_t pid = fork();
	(void)state;
	if (pid == 0)
		host_end_child(without_standard_descriptors(L));
	assert_int_equal(host_wait(pid), 0);
	lua_close(L);
}

/* A daemon closes what it finds open, also what an earlier client has left for
   the next one. */
static int after_closing_all(lua_State *L) {
	host_run(L, "c = client() c:close() return 1");
	closefrom(STDERR_FILENO + 1);
	return strcmp(host_run(L, "local c = client() "
	                          "assert(c:update(approve(1)).id == id(1)) "
	                          "return 'fine'"),
	              "fine") != 0;
}

static void test_a_client_works_after_the_host_closed_all(void **state) {
	lua_State *L = host_state(&emulator);
	pid_t pid = fork();
	(void)state;
	if (pid == 0)
		host_end_child(after_closing_all(L));
	assert_int_equal(host_wait(pid), 0);
	lua_close(L);
}

/* ---- a peer that is gone ------------------------------------------------ */

static int listen_at(int *port) {
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), few = 16384;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
	/* little is on its way at once: a reset meets a write that goes on */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
	assert_int_equal(listen(fd, 16), 0);
	getsockname(fd, (struct sockaddr *)&at, &size);
	*port = ntohs(at.sin_port);
	return fd;
}

static int reach(const char *endpoint) {
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
	return connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ? fd : -1;
}

static ssize_t pass(int from, int to) {
	static char block[16384];
	ssize_t n = read(from, block, sizeof block);
	return n > 0 && write(to, block, (size_t)n) == n ? n : 0;
}

/* Passes bytes to and fro until more than so many have come from the client:
   then the connection is reset, whatever is on its way. */
static void relay(int client, int server, ssize_t most) {
	struct linger now = { 1, 0 };
	struct pollfd p[2] = { { .fd = client, .events = POLLIN },
		               { .fd = server, .events = POLLIN } };
	while (most > 0 && poll(p, 2, 60000) > 0) {
		ssize_t n = 1;
		if (p[0].revents)
			most -= n = pass(client, server);
		if (p[1].revents && n > 0)
			n = pass(server, client);
		if (n == 0)
			break;
	}
	setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(client);
	close(server);
}

static pid_t start_relay(const char *endpoint, ssize_t most, int *port) {
	int fd = listen_at(port), client;
	pid_t pid = fork();
	if (pid != 0) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN); /* of the relay alone */
	signal(SIGCHLD, SIG_IGN);
	while ((client = accept(fd, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			relay(client, reach(endpoint), most);
			_exit(0);
		}
		close(client);
	}
	_exit(0);
}

/* SIGPIPE stays at its default: delivered, it would end this program. */
static void meet_a_reset(const char *endpoint, ssize_t most) {
	int port;
	pid_t pid = start_relay(endpoint, most, &port);
	lua_State *L = host_state(&emulator);
	char chunk[512];
	signal(SIGPIPE, SIG_DFL);
	snprintf(chunk, sizeof chunk,
	         "local c = client { endpoint = '%.*s:%d',\n"
	         "  authority_host = e.endpoint, retry = { max_tries = 2,\n"
	         "    base_delay = 0.01 } }\n"
	         "for n = 1, 4 do\n"
	         "  local value, err = c:update(approve(n, {\n"
	         "    description = ('x'):rep(60000) }))\n"
	         "  assert(value or err.kind == 'transport', err)\n"
	         "end\n"
	         "c:close() return 'fine'",
	         (int)(strrchr(endpoint, ':') - endpoint), endpoint, port);
	host_expect(L, chunk, "fine");
	lua_close(L);
	kill(pid, SIGTERM);
	host_wait(pid);
}

static void test_a_peer_that_resets_is_no_sigpipe(void **state) {
	static const ssize_t most[] = { 1, 600, 5000, 20000, 50000 };
	(void)state;
	for (size_t i = 0; i < COUNT(most); i++) {
		meet_a_reset(emulator.endpoint, most[i]);
		meet_a_reset(emulator.tls_endpoint, most[i]);
	}
}

/* ---- a locale with a decimal comma -------------------------------------- */

/* Made for this test, of the C library's own sources. */
static bool set_comma(void) {
	char dir[192], command[512];
	host_folder(dir, sizeof dir);
	snprintf(command, sizeof command,
	         "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/said 2>&1",
	         dir, dir);
	setenv("LOCPATH", dir, 1);
	return system(command) == 0 &&
	       setlocale(LC_ALL, "de_DE.UTF-8") != NULL &&
	       *localeconv()->decimal_point == ',';
}

static void unset_comma(void) {
	setlocale(LC_ALL, "C");
	unsetenv("LOCPATH");
}

static void make_client(lua_State *L) {
	host_expect(L,
	            "c = client { timeout = 41 / 2, poll_interval = 1 / 40 }\n"
	            "return 'fine'",
	            "fine");
}

/* late: the locale is set when the client is there. */
static void work_with_a_comma(bool late) {
	lua_State *L = host_state(&emulator);
	if (late)
		make_client(L);
	if (!set_comma()) {
		lua_close(L);
		unset_comma();
		skip();
	}
	if (!late)
		make_client(L);
	host_expect(L,
	            "assert(tostring(1.5) == '1,5')\n"
	            "local value = assert(c:update(approve(1)))\n"
	            "local p = value.properties\n"
	            "assert(p.load * 2 == 1 and p.part * 8e6 == 1, 'load')\n"
	            "assert(#p.sizes == 2 and p.sizes[2] == 5, 'sizes')\n"
	            "local p = c:begin_update(approve(2))\n"
	            "while not p:continuation_token() do p:wait(0.005) end\n"
	            "local token = p:continuation_token()\n"
	            "assert(not token:find '%d,%d', token)\n"
	            "local again = assert(c:resume(token))\n"
	            "assert(again:wait())\n"
	            "return 'fine'",
	            "fine");
	lua_close(L);
	assert_int_equal(*localeconv()->decimal_point, ',');
	unset_comma();
	assert_int_equal(emulator_count(&emulator, "update", NULL), 2);
}

static void test_a_decimal_comma_changes_nothing(void **state) {
	(void)state;
	work_with_a_comma(false);
}

static void
test_a_decimal_comma_that_comes_later_changes_nothing(void **state) {
	(void)state;
	work_with_a_comma(true);
}

/* ---- no descriptor left -------------------------------------------------- */

/* The error says so, and with room again the same client goes on. */
static void test_no_descriptor_left_is_said(void **state) {
	struct rlimit was, none;
	lua_State *L = host_state(&emulator);
	int free;
	(void)state;
	host_expect(L, "c = client { retry = { max_tries = 1 } } return 1",
	            "1");
	free = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(free);
	getrlimit(RLIMIT_NOFILE, &was);
	none = (struct rlimit){ (rlim_t)free, was.rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
	host_run(L, "v, err = c:update(approve(1)) return 1");
	setrlimit(RLIMIT_NOFILE, &was);
	host_expect(L,
	            "return err.kind .. (err.message:match 'no more files may "
	            "be opened' or tostring(err))",
	            "transportno more files may be opened");
	host_expect(L, "return assert(c:update(approve(1))).id == id(1)",
	            "true");
	lua_close(L);
}

/* ---- the run ------------------------------------------------------------ */

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_the_process_is_left_as_it_was),
		TEST(test_no_global_is_set),
		TEST(test_every_descriptor_is_close_on_exec),
		TEST(test_no_descriptor_of_ours_is_a_standard_one),
		TEST(test_a_client_works_after_the_host_closed_all),
		TEST(test_a_peer_that_resets_is_no_sigpipe),
		TEST(test_a_decimal_comma_changes_nothing),
		TEST(test_a_decimal_comma_that_comes_later_changes_nothing),
		TEST(test_no_descriptor_left_is_said),
	};
	return RUN(tests);
}
