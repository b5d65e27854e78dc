/*
 * fork.c -- a host that forks in the middle: in the child what was under way
 * is over, closing there does not reach the parent, and what the child begins
 * goes over sockets of its own.  The emulator's log is the witness that no
 * write was repeated.
 */
#include "host.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

enum { OPERATIONS = 8, CONNECTIONS = 2 };

/* ---- the child ---------------------------------------------------------- */

/* Connections and pipes: those of the parent's a child closes.  Epolls, timers,
   events and libcurl's own pairs of sockets it leaves open, as nothing tells
   them from its own. */
static int streams(void) {
	int n = 0;
	for (int fd = 0; fd < 1024; fd++) {
		int domain = AF_UNSPEC;
		socklen_t size = sizeof domain;
		struct stat st;
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
		n += domain == AF_INET || domain == AF_INET6 ||
		     (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode));
	}
	return n;
}

/* The child closes the state and is gone: with 0 if it said what it should have
   and no stream is left open. */
static void end_child(lua_State *L, const char *said, const char *expected,
                      int before) {
	int status = strcmp(said, expected) != 0;
	if (status)
		fprintf(stderr, "# in the child: %s, not %s\n", said, expected);
	lua_close(L);
	if (streams() > before) {
		fprintf(stderr, "# %d streams left in the child\n",
		        streams() - before);
		status = 1;
	}
	host_end_child(status);
}

/* A child runs the chunk and ends; its exit status. */
static int child(lua_State *L, const char *chunk, int before) {
	pid_t pid = fork();
	if (pid == 0)
		end_child(L, host_run(L, chunk), "fine", before);
	return host_wait(pid);
}

static void expect_child(lua_State *L, const char *chunk, int before) {
	int status = child(L, chunk, before);
	if (status != 0)
		FAIL("the child ended with %d: %s", status, chunk);
}

/* ---- the parent --------------------------------------------------------- */

static const char eight[] =
	"c = client { max_connections = 2 }\n"
	"p = {}\n"
	"for n = 1, 8 do p[n] = c:begin_update(approve(n)) end\n"
	"local function polled()\n"
	"  for n = 1, 8 do\n"
	"    if p[n]:progress().polls < 1 then return false end\n"
	"  end\n"
	"  return true\n"
	"end\n"
	"while not polled() do c:wait(0.005) end\n"
	"return 'fine'\n";

static const char end_eight[] =
	"for n = 1, 8 do\n"
	"  local state = assert(p[n]:wait()).properties\n"
	"    .privateLinkServiceConnectionState\n"
	"  assert(state.status == 'Approved', state.status)\n"
	"end\n"
	"return 'fine'\n";

static void set_options(const char *json) {
	free(emulator_control(&emulator, "PATCH", "options", json));
}

/* Eight operations that are being polled, and end soon after this. */
static void begin_eight(lua_State *L) {
	set_options("{\"operation_polls\": 1000000}");
	host_expect(L, eight, "fine");
	set_options("{\"operation_polls\": 2}");
}

static void set_faults(const char *json) {
	free(emulator_control(&emulator, "PUT", "faults", json));
}

/* What a child may do, and how many writes and connections come of it. */
struct deed {
	const char *chunk;
	int updates, connections;
};

/* With eight operations under way; the parent then ends them, over no more
   connections than it may have, and nobody has written twice. */
static void try_deed(const struct deed *deed) {
	int before = host_descriptors(), mine = streams(), connections;
	lua_State *L = host_state(&emulator);
	assert_non_null(L);
	emulator_reset(&emulator);
	begin_eight(L);
	expect_child(L, deed->chunk, mine);
	host_expect(L, end_eight, "fine");
	lua_close(L);
	connections = emulator_connections(&emulator);
	if (connections > CONNECTIONS + deed->connections)
		FAIL("%d connections: %s", connections, deed->chunk);
	assert_int_equal(emulator_count(&emulator, "update", NULL),
	                 OPERATIONS + deed->updates);
	assert_int_equal(host_descriptors(), before);
}

/* ---- in the child, what was under way is over --------------------------- */

static void test_inherited_pollers_are_canceled_with_tokens(void **state) {
	static const struct deed deed = {
		"for n = 1, 8 do\n"
		"  assert(p[n]:done(), 'not done')\n"
		"  local value, err = p[n]:result()\n"
		"  assert(value == nil and err.kind == 'canceled', err)\n"
		"  assert(err.message:find 'forked', err.message)\n"
		"  local token = assert(err.continuation_token, 'no token')\n"
		"  assert(token == p[n]:continuation_token())\n"
		"end\n"
		"return 'fine'\n",
		0, 0
	};
	(void)state;
	try_deed(&deed);
}

/* Each of them may be the first to notice that this is another process. */
static void test_every_method_notices(void **state) {
	static const char *const chunks[] = {
		"assert(p[1]:done()) return 'fine'",
		"assert(select(2, p[1]:wait()).kind == 'canceled')\n"
		"return 'fine'",
		"assert(p[1]:step()) return 'fine'",
		"p[1]:cancel() assert(select(2, p[1]:result()).message:find\n"
		"'forked') return 'fine'",
		"assert(tostring(p[1]):find 'canceled') return 'fine'",
		"assert(p[1]:continuation_token()) assert(p[1]:done())\n"
		"return 'fine'",
		"assert(p[1]:progress()) assert(p[1]:done()) return 'fine'",
		"p[1]:pollfd() assert(p[1]:done()) return 'fine'",
		"c:step() assert(p[1]:done()) return 'fine'",
		"c:pollfd() assert(p[1]:done()) return 'fine'",
		"p = nil collectgarbage() c:step() return 'fine'",
		"p = nil c = nil collectgarbage() return 'fine'",
		"do local x <close> = p[1] end assert(p[1]:done())\n"
		"return 'fine'",
		"c:close() assert(select(2, p[1]:result()).kind ==\n"
		"'canceled') return 'fine'",
		"local n = 0\n"
		"for q, v, err in c:completions() do\n"
		"  n = n + 1 assert(v == nil and err.kind == 'canceled')\n"
		"end\n"
		"assert(n == 8, n) return 'fine'",
		"local n = 0\n"
		"for q, v, err in c:finished() do n = n + 1 end\n"
		"assert(n == 8, n) return 'fine'",
		"return 'fine'",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(chunks); i++) {
		struct deed deed = { chunks[i], 0, 0 };
		try_deed(&deed);
	}
}

/* A client has random bytes in reserve: a child does not use its parent's. */
static void test_a_child_gives_its_requests_ids_of_its_own(void **state) {
	static const char reads[] =
		"local ids = {}\n"
		"for id in io.lines('%s/ids') do ids[#ids + 1] = id end\n"
		"assert(#ids == 2 and #ids[1] == 36 and ids[1] ~= ids[2],\n"
		"  table.concat(ids, ' ')) return 'fine'";
	static const char writes[] =
		"local f = io.open('%s/ids', 'a')\n"
		"f:write(c:begin_update(approve(9)):progress()\n"
		"  .client_request_id, '\\n')\n"
		"f:close() return 'fine'";
	char dir[192], chunk[512];
	int mine = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	host_folder(dir, sizeof dir);
	host_expect(L,
	            "c = client() c:begin_update(approve(8)):cancel()\n"
	            "return 'fine'",
	            "fine");
	snprintf(chunk, sizeof chunk, writes, dir);
	expect_child(L, chunk, mine);
	host_expect(L, chunk, "fine");
	snprintf(chunk, sizeof chunk, reads, dir);
	host_expect(L, chunk, "fine");
	lua_close(L);
}

/* A list that the parent began: the child reads what has come, then gets the
   error of all other calls, once. */
static void test_an_inherited_list_is_canceled(void **state) {
	static const char *const firsts[] = { "", "c:step()", "c:pollfd()" };
	static const char in_child[] =
		"%s\n"
		"local ok, err = pcall(next_one, list, item)\n"
		"assert(not ok and azpec.type(err) == 'azpec.error', err)\n"
		"assert(err.kind == 'canceled' and err.message:find 'forked')\n"
		"ok, err = pcall(next_one, list, item)\n"
		"assert(not ok and err:find 'list that has ended', err)\n"
		"return 'fine'\n";
	int before = host_descriptors(), mine = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	host_expect(L,
	            "c = client()\n"
	            "next_one, list = c:list { resource_group_name = 'rg',\n"
	            "  account_name = 'hostacct', maxresults = 1 }\n"
	            "item = next_one(list)\n"
	            "return item and 'fine'",
	            "fine");
	for (size_t i = 0; i < COUNT(firsts); i++) {
		char chunk[sizeof in_child + 32];
		snprintf(chunk, sizeof chunk, in_child, firsts[i]);
		expect_child(L, chunk, mine);
	}
	host_expect(L, "return next_one(list, item) and 'fine'", "fine");
	lua_close(L);
	assert_int_equal(host_descriptors(), before);
}

static void test_new_calls_open_their_own(void **state) {
	static const struct deed deeds[] = {
		{ "assert(c:update(approve(20)).id == id(20)) return 'fine'", 1,
		  1 },
		{ "local mine <close> = client()\n"
		  "assert(mine:update(approve(20)).id == id(20))\n"
		  "return 'fine'",
		  1, 1 },
		{ "assert(azpec.type(c:begin_update(approve(20))))\n"
		  "c:step() c:close() return 'fine'",
		  0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(deeds); i++)
		try_deed(&deeds[i]);
}

/* Parent and child both follow the same operation to its end. */
static void test_the_child_may_resume_by_the_token(void **state) {
	static const struct deed deed = {
		"for n = 1, 3 do\n"
		"  local _, err = p[n]:wait()\n"
		"  local mine = assert(c:resume(err.continuation_token))\n"
		"  assert(assert(mine:wait()).id == id(n))\n"
		"end\n"
		"return 'fine'\n",
		0, 1
	};
	(void)state;
	try_deed(&deed);
}

/* Waits for a descriptor, as an event loop does. */
static int l_readable(lua_State *L) {
	struct pollfd p = { .fd = (int)luaL_checkinteger(L, 1),
		            .events = POLLIN };
	if (poll(&p, 1, host_hang()) != 1)
		return luaL_error(L, "descriptor %d stays silent", p.fd);
	return 0;
}

/* Each process drives its client by the number that it asked for itself. */
static void test_a_child_watches_a_descriptor_of_its_own(void **state) {
	static const char looped[] =
		"local p = c:begin_update(approve(1))\n"
		"while not p:done() do readable(fd) c:step() end\n"
		"assert(p:result())\n"
		"return c:pollfd() == fd and 'fine'";
	char in_child[sizeof looped + 128];
	int before = host_descriptors(), mine = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	lua_register(L, "readable", l_readable);
	snprintf(in_child, sizeof in_child,
	         "local parents = fd\n"
	         "fd = c:pollfd() assert(fd ~= parents)\n%s",
	         looped);
	host_expect(L, "c = client() fd = c:pollfd() return 'fine'", "fine");
	expect_child(L, in_child, mine);
	host_expect(L, looped, "fine");
	lua_close(L);
	assert_int_equal(host_descriptors(), before);
}

static void test_a_child_of_the_child(void **state) {
	lua_State *L = host_state(&emulator);
	int before = streams();
	pid_t pid;
	(void)state;
	begin_eight(L);
	set_options("{\"operation_polls\": 100}"); /* for the child's, too */
	pid = fork();
	if (pid == 0) {
		int status;
		host_run(L,
		         "q = c:begin_update(approve(20))\n"
		         "while q:progress().polls < 1 do q:wait(0.005) end\n"
		         "return 1");
		status =
			child(L,
		              "assert(select(2, q:wait()).kind == 'canceled')\n"
		              "return 'fine'",
		              before);
		set_options("{\"operation_polls\": 2}");
		if (strcmp(host_run(L, "return assert(q:wait()).id == id(20)"),
		           "true") != 0)
			status = 1;
		lua_close(L);
		host_end_child(status);
	}
	assert_int_equal(host_wait(pid), 0);
	host_expect(L, end_eight, "fine");
	lua_close(L);
	assert_int_equal(emulator_count(&emulator, "update", NULL), 9);
}

/* ---- at other moments --------------------------------------------------- */

static void test_before_anything_was_sent_there_is_no_token(void **state) {
	int before = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	host_expect(L, "c = client() p = c:begin_update(approve(1)) return 1",
	            "1");
	expect_child(L,
	             "local _, err = p:wait()\n"
	             "assert(err.kind == 'canceled')\n"
	             "assert(err.continuation_token == nil)\n"
	             "return 'fine'",
	             before);
	host_expect(L, "return assert(p:wait()).id == id(1)", "true");
	lua_close(L);
	assert_int_equal(emulator_count(&emulator, "update", NULL), 1);
}

/* The PATCH is on its way and was carried out, its answer has not come. */
static void test_while_the_answer_is_awaited(void **state) {
	int before = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	set_faults("[{\"match\": {\"kind\": \"update\"},"
	           " \"action\": {\"delay_answer\": 0.5}}]");
	host_expect(L,
	            "local sent\n"
	            "c = client { on_event = function (e)\n"
	            "  sent = sent or e.method == 'PATCH' end }\n"
	            "p = c:begin_update(approve(1))\n"
	            "while not sent do p:wait(0.01) end\n"
	            "p:wait(0.2) return p:done()",
	            "false");
	expect_child(L,
	             "local _, err = p:wait()\n"
	             "assert(err.kind == 'canceled')\n"
	             "assert(err.continuation_token)\n"
	             "return 'fine'",
	             before);
	host_expect(L, "return assert(p:wait()).id == id(1)", "true");
	lua_close(L);
	assert_int_equal(emulator_count(&emulator, "update", NULL), 1);
}

/* libcurl closes by itself a socket that never became a connection; its number
   may be another's by then. */
static void test_a_number_given_out_again_is_let_be(void **state) {
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof at;
	int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[3];
	int mine[64], status;
	char chunk[512];
	lua_State *L = host_state(&emulator);
	pid_t pid;
	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(full, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(full, 0), 0);
	getsockname(full, (struct sockaddr *)&at, &size);
	for (int i = 0; i < 3; i++) {
		fill[i] = socket(AF_INET,
		                 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(fill[i], (struct sockaddr *)&at, size);
	}
	snprintf(chunk, sizeof chunk,
	         "local at = 'http://127.0.0.1:%d'\n"
	         "c = client { endpoint = at, authority_host = at }\n"
	         "local p = c:begin_update(approve(1))\n"
	         "p:wait(0.1) p:cancel() c:step()\n"
	         "return select(2, p:result()).kind",
	         ntohs(at.sin_port));
	host_expect(L, chunk, "canceled");
	for (size_t i = 0; i < COUNT(mine); i++)
		mine[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		status = 0;
		host_run(L, "c:step() return 1");
		lua_close(L);
		for (size_t i = 0; i < COUNT(mine); i++)
			status |= fcntl(mine[i], F_GETFD) < 0;
		host_end_child(status);
	}
	status = host_wait(pid);
	lua_close(L);
	for (size_t i = 0; i < COUNT(mine); i++)
		status |= close(mine[i]) != 0;
	for (int i = 0; i < 3; i++)
		close(fill[i]);
	close(full);
	assert_int_equal(status, 0);
}

/* ---- a daemon ----------------------------------------------------------- */

enum { FILES = 100 };

/* Of each kind that we have. */
static int open_own(int i) {
	switch (i % 5) {
	case 0:
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	case 1:
		return epoll_create1(EPOLL_CLOEXEC);
	case 2:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case 3:
		return eventfd(0, EFD_CLOEXEC);
	default:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
}

/* It closes whatever it inherited, and opens descriptors of its own, which get
   these numbers: they are not taken for ours.  Each number is of each kind
   once, whichever ours was. */
static int daemonize_from(lua_State *L, const char *chunk, int first) {
	pid_t pid = fork();
	if (pid == 0) {
		int files[FILES], status;
		closefrom(STDERR_FILENO + 1);
		for (int i = 0; i < FILES; i++)
			files[i] = open_own(first + i);
		status = strcmp(host_run(L, chunk), "fine") != 0;
		if (status)
			fprintf(stderr, "# %s\n", lua_tostring(L, -1));
		lua_close(L);
		for (int i = 0; i < FILES; i++)
			status |= fcntl(files[i], F_GETFD) < 0;
		host_end_child(status);
	}
	return host_wait(pid);
}

static int daemonize(lua_State *L, const char *chunk) {
	int status = 0;
	for (int first = 0; first < 5; first++)
		status |= daemonize_from(L, chunk, first);
	return status;
}

static void test_a_daemons_own_files_stay_open(void **state) {
	static const char *const chunks[] = {
		"return 'fine'",
		"c:close() return 'fine'",
		"assert(c:update(approve(20)).id == id(20)) return 'fine'",
	};
	(void)state;
	for (size_t i = 0; i < COUNT(chunks); i++) {
		lua_State *L = host_state(&emulator);
		emulator_reset(&emulator);
		begin_eight(L);
		host_expect(L, "x = client() x:close() return 'fine'", "fine");
		if (daemonize(L, chunks[i]) != 0)
			FAIL("the daemon: %s", chunks[i]);
		host_expect(L, end_eight, "fine");
		lua_close(L);
	}
}

/* ---- a program that somebody signs in by -------------------------------- */

static const char az[] =
	"#!/bin/sh\n"
	"echo started >%s/started\n"
	"read -r token <%s/go\n"
	"expires=$(($(date +%%s) + 3600))\n"
	"printf '{\"accessToken\":\"%%s\",\"tokenType\":\"Bearer\","
	"\"expires_on\":%%d}' \"$token\" $expires\n";

/* In a directory of its own, which then comes first in PATH. */
static void put_az(char *dir, size_t size) {
	char path[4096];
	FILE *f;
	snprintf(path, sizeof path, "%s/az", host_folder(dir, size));
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, az, dir, dir);
	fchmod(fileno(f), 0700);
	fclose(f);
	snprintf(path, sizeof path, "%s/go", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s/started", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s:%s", dir, getenv("PATH"));
	setenv("PATH", path, 1);
}

static void through(const char *dir, const char *name, const char *text) {
	char path[256];
	FILE *f;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, text ? "w" : "r");
	assert_non_null(f);
	if (text)
		fprintf(f, "%s\n", text);
	else
		assert_non_null(fgets(path, sizeof path, f));
	fclose(f);
}

static void test_a_program_under_way_is_the_parents(void **state) {
	char dir[192], *path = strdup(getenv("PATH"));
	char *token = emulator_token(&emulator);
	int before = host_descriptors(), mine = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	put_az(dir, sizeof dir);
	host_expect(L,
	            "c = client { credential = azpec.credential.azure_cli() }\n"
	            "p = c:begin_update(approve(1))\n"
	            "c:step() return p:done()",
	            "false");
	through(dir, "started", NULL);
	expect_child(L,
	             "assert(select(2, p:wait()).kind == 'canceled')\n"
	             "return 'fine'",
	             mine);
	assert_int_equal(daemonize(L, "c:close() return 'fine'"), 0);
	through(dir, "go", token);
	host_expect(L, "return assert(p:wait()).id == id(1)", "true");
	lua_close(L);
	setenv("PATH", path, 1);
	free(path);
	free(token);
	assert_int_equal(emulator_count(&emulator, "update", NULL), 1);
	assert_int_equal(host_descriptors(), before);
}

/* ---- a function of the host's that forks -------------------------------- */

static bool forked; /* this is the child */
static pid_t born;

/* fork() -> true in the child, false in the parent; once. */
static int l_fork(lua_State *L) {
	if (born == 0 && !forked) {
		born = fork();
		forked = born == 0;
	}
	lua_pushboolean(L, forked);
	return 1;
}

/* The chunk forks in one of its callbacks and comes back to it in both
   processes: what it returns in the parent, and in the child. */
struct return_of {
	const char *chunk, *in_child;
};

#define UPDATE                                                                 \
	"local v, err = c:update(approve(1))\n"                                \
	"if v then return v.id == id(1) and 'approved' end\n"                  \
	"return err.kind .. (err.continuation_token and ', token' or '')\n"    \
	"  .. (err.message:find 'forked' and ', forked' or '')"

/* A callback, and what has been sent when it runs. */
static const struct return_of returns[] = {
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'token' then fork() end end }\n" UPDATE,
	  "canceled, forked" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'request' then fork() end end }\n" UPDATE,
	  "canceled, forked" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'response' then fork() end end }\n" UPDATE,
	  "canceled, token, forked" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'poll' then fork() end end }\n" UPDATE,
	  "canceled, token, forked" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'end' then fork() end end }\n" UPDATE,
	  "approved" },
	/* the child looks before it comes back */
	{ "c = client { on_event = function (e)\n"
	  "  if e.event ~= 'poll' or not fork() then return end\n"
	  "  c:pollfd() c:begin_update(approve(2)):cancel() end }\n" UPDATE,
	  "canceled, token, forked" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'response' and fork() then c:rate_limits() end\n"
	  "end }\n" UPDATE,
	  "canceled, token, forked" },
	/* what it raises is the child's */
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'poll' and fork() then error('mine', 0) end\n"
	  "end }\n" UPDATE,
	  "error: mine" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'request' and fork() then error() end\n"
	  "end }\n"
	  "local ok, e = pcall(c.update, c, approve(1))\n"
	  "if not ok then return tostring(e) end\n"
	  "return e and 'approved'",
	  "nil" },
	{ "c = client { credential = azpec.credential.token { get =\n"
	  "  function () fork() return token end } }\n" UPDATE,
	  "canceled, forked" },
	{ "c = client { credential = azpec.credential.token { get =\n"
	  "  function () if fork() then error('mine', 0) end\n"
	  "  return token end } }\n" UPDATE,
	  "error: mine" },
	/* another client's step in between */
	{ "local inner = client { on_event = function (e)\n"
	  "  if e.event == 'poll' then fork() end end }\n"
	  "local said\n"
	  "c = client { on_event = function (e)\n"
	  "  if e.event == 'request' and not said then\n"
	  "    local v, err = inner:update(approve(2))\n"
	  "    said = v and 'approved' or err.kind\n"
	  "  end end }\n"
	  "local v, err = c:update(approve(1))\n"
	  "if v then return said end\n"
	  "return said .. ', ' .. err.kind",
	  "canceled, canceled" },
	/* each way to wait */
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'poll' then fork() end end }\n"
	  "c:begin_update(approve(1))\n"
	  "for _, v, err in c:completions() do\n"
	  "  return v and 'approved' or err.kind\n"
	  "end",
	  "canceled" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.event == 'poll' then fork() end end }\n"
	  "local p = c:begin_update(approve(1))\n"
	  "while not p:step() do c:wait(0.01) end\n"
	  "local v, err = p:result()\n"
	  "return v and 'approved' or err.kind",
	  "canceled" },
	{ "c = client { on_event = function (e)\n"
	  "  if e.phase == 'request' and e.event == 'response' then\n"
	  "    fork() end end }\n"
	  "local ok, err = pcall(function ()\n"
	  "  for _ in c:list { resource_group_name = 'rg',\n"
	  "    account_name = 'hostacct' } do end end)\n"
	  "return ok and 'approved' or err.kind",
	  "canceled" },
	/* the waiter, while two wait */
	{ "c = client { wait = coroutine.yield }\n"
	  "local said = {}\n"
	  "local function one(f) return coroutine.create(function ()\n"
	  "  local word = f() said[#said + 1] = word end) end\n"
	  "local both = { one(function () local v, err = "
	  "c:update(approve(1))\n"
	  "  return v and 'approved' or err.kind end),\n"
	  "  one(function () c:wait(0.3) return 'waited' end) }\n"
	  "local clock = client()\n"
	  "for n = 1, 1000 do\n"
	  "  for _, co in ipairs(both) do\n"
	  "    if coroutine.status(co) ~= 'dead' then\n"
	  "      assert(coroutine.resume(co)) end\n"
	  "  end\n"
	  "  if n == 5 then fork() end\n"
	  "  if #said == 2 then break end\n"
	  "  clock:wait(0.005)\n"
	  "end\n"
	  "table.sort(said)\n"
	  "return table.concat(said, ' ') == 'approved waited' and "
	  "'approved'\n"
	  "  or table.concat(said, ' ')",
	  "canceled waited" },
};

static void try_return(const struct return_of *r, const char *token) {
	int before = host_descriptors(), mine = streams(), written;
	lua_State *L = host_state(&emulator);
	const char *said;
	assert_non_null(L);
	born = 0;
	forked = false;
	lua_register(L, "fork", l_fork);
	lua_pushstring(L, token);
	lua_setglobal(L, "token");
	said = host_run(L, r->chunk);
	if (forked)
		end_child(L, said, r->in_child, mine);
	if (strcmp(said, "approved") != 0)
		FAIL("%s: %s", said, r->chunk);
	assert_true(born > 0);
	if (host_wait(born) != 0)
		FAIL("the child of: %s", r->chunk);
	lua_close(L);
	written = emulator_count(&emulator, "update", "pe001");
	if (written > 1)
		FAIL("%d writes: %s", written, r->chunk);
	assert_int_equal(host_descriptors(), before);
}

static void test_in_a_function_that_a_step_calls(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(returns); i++) {
		char *token;
		emulator_reset(&emulator);
		token = emulator_token(&emulator);
		try_return(&returns[i], token);
		free(token);
	}
}

/* ---- the emulator of azpec.emulator ------------------------------------- */

/* A child that ends, closes it or collects it leaves it to the parent. */
static void test_an_emulator_is_the_parents(void **state) {
	static const char *const chunks[] = {
		"return 'fine'",
		"e:close() return 'fine'",
		"e = nil collectgarbage() return 'fine'",
	};
	int before = host_descriptors(), mine = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	host_expect(L,
	            "e = require 'azpec.emulator'.start {\n"
	            "  lua = 'env -u LD_PRELOAD ' ..\n"
	            "    (os.getenv 'LUA' or 'lua5.4') }\n"
	            "return 'fine'",
	            "fine");
	for (size_t i = 0; i < COUNT(chunks); i++)
		expect_child(L, chunks[i], mine);
	host_expect(L,
	            "assert(io.open(e.ca_file)):close()\n"
	            "e:state() e:close()\n"
	            "return tostring(io.open(e.ca_file))",
	            "nil");
	lua_close(L);
	assert_int_equal(host_descriptors(), before);
}

/* ---- a journal's client ------------------------------------------------- */

/* Of two writes, one is being polled; one has ended and is not collected. */
static const char journaled[] =
	"local journal, make = require 'azpec.journal', azpec.client\n"
	"path = os.tmpname() os.remove(path)\n"
	"function azpec.client(fields)\n"
	"  azpec.client = make\n"
	"  return journal.client(fields, journal.open(path))\n"
	"end\n"
	"c = client {}\n"
	"p = c:begin_update(approve(1))\n"
	"while p:progress().polls < 1 do c:wait(0.005) end\n"
	"q = c:begin_update(approve(2, { if_match = 'old' }))\n"
	"while not q:done() do c:wait(0.005) end\n"
	"function lines()\n"
	"  local list = {}\n"
	"  for n, line in ipairs((journal.read(path))) do\n"
	"    list[n] = line.outcome or line.event\n"
	"  end\n"
	"  return table.concat(list, ' ')\n"
	"end\n"
	"return lines()\n";

/* A child records its own writes, but no end of what the parent has begun. */
static void test_a_journal_has_the_end_that_the_parent_sees(void **state) {
	static const char *const chunks[] = {
		"c:close() return 'fine'",
		"for _ in c:finished() do end return 'fine'",
		"for _ in c:completions() do end return 'fine'",
		"assert(not p:wait()) return 'fine'",
		"p:cancel() return 'fine'",
		"p = nil collectgarbage() return 'fine'",
		"assert(c:update(approve(3))) return 'fine'",
	};
	int before = host_descriptors(), mine = streams();
	lua_State *L = host_state(&emulator);
	(void)state;
	emulator_reset(&emulator);
	set_options("{\"operation_polls\": 1000000}");
	host_expect(L, journaled, "intent intent");
	set_options("{\"operation_polls\": 2}");
	for (size_t i = 0; i < COUNT(chunks); i++)
		expect_child(L, chunks[i], mine);
	host_expect(L,
	            "assert(p:wait() and not q:wait())\n"
	            "local text = lines()\n"
	            "c:close() os.remove(path)\n"
	            "return text",
	            "intent intent intent changed changed failed");
	lua_close(L);
	assert_int_equal(host_descriptors(), before);
}

/* ---- the run ------------------------------------------------------------ */

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(test_inherited_pollers_are_canceled_with_tokens),
		TEST(test_every_method_notices),
		TEST(test_a_child_gives_its_requests_ids_of_its_own),
		TEST(test_an_inherited_list_is_canceled),
		TEST(test_new_calls_open_their_own),
		TEST(test_the_child_may_resume_by_the_token),
		TEST(test_a_child_watches_a_descriptor_of_its_own),
		TEST(test_a_child_of_the_child),
		TEST(test_before_anything_was_sent_there_is_no_token),
		TEST(test_while_the_answer_is_awaited),
		TEST(test_a_number_given_out_again_is_let_be),
		TEST(test_a_daemons_own_files_stay_open),
		TEST(test_a_program_under_way_is_the_parents),
		TEST(test_in_a_function_that_a_step_calls),
		TEST(test_an_emulator_is_the_parents),
		TEST(test_a_journal_has_the_end_that_the_parent_sees),
	};
	return RUN(tests);
}
