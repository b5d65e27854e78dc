/* host.c -- host.h. */
#include "host.h"

#include <azpec.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <lua-cjson.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

void host_fail(const char *file, int line, const char *format, ...) {
	static char text[8192]; /* cmocka keeps the pointer */
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	_assert_true(0, text, file, line);
}

int host_patience(void) {
	static const struct {
		const char *name;
		int patience;
	} tools[] = { { "valgrind", 20 }, { "tsan", 10 }, { "asan", 4 } };
	const char *under = getenv("TEST_UNDER");
	for (size_t i = 0; under && i < COUNT(tools); i++)
		if (strcmp(under, tools[i].name) == 0)
			return tools[i].patience;
	return 1;
}

int host_hang(void) {
	return 30000 * host_patience();
}

int64_t host_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- files --------------------------------------------------------------- */

static int drop(const char *path, const struct stat *st, int type,
                struct FTW *at) {
	(void)st, (void)type, (void)at;
	return remove(path);
}

static char home[160]; /* with all that is in it, until the program ends */
static pid_t owner;

static void drop_home(void) {
	if (getpid() == owner)
		nftw(home, drop, 8, FTW_DEPTH | FTW_PHYS);
}

const char *host_folder(char *dir, size_t size) {
	static int number;
	if (owner == 0) {
		static const char xs[] = { 'X', 'X', 'X', 'X', 'X', 'X' };
		snprintf(home, sizeof home, "%s/azpec-host-%.6s",
		         getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", xs);
		assert_non_null(mkdtemp(home));
		owner = getpid();
		atexit(drop_home);
	}
	snprintf(dir, size, "%s/%d", home, ++number);
	assert_int_equal(mkdir(dir, 0700), 0);
	return dir;
}

/* ---- the emulator ------------------------------------------------------- */

static const char state_file[] =
	"local c = {}\n"
	"for n = 1, %d do\n"
	"  c[n] = { name = ('pe%%03d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%%04x')"
	":format(n, n), status = 'Pending',\n"
	"    properties = { load = 0.5,\n"
	"      sizes = { 1, 5 }, part = 1.25e-7 } }\n"
	"end\n"
	"return { tenant_id = '8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01',\n"
	"  client_id = 'b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22',\n"
	"  client_secret = 'a secret for the hosts of the tests',\n"
	"  subscription_id = '3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10',\n"
	"  options = { operation_polls = 2, retry_after = 'none' },\n"
	"  accounts = { {\n"
	"    account_name = 'hostacct', resource_group_name = 'rg',\n"
	"    connections = c } } }\n";

static void write_state(struct emulator *e) {
	char dir[192];
	FILE *f;
	host_folder(dir, sizeof dir);
	snprintf(e->state, sizeof e->state, "%s/state.lua", dir);
	snprintf(e->log, sizeof e->log, "%s/log", dir);
	snprintf(e->ca_file, sizeof e->ca_file, "%s/ca.pem", dir);
	f = fopen(e->state, "w");
	assert_non_null(f);
	fprintf(f, state_file, (int)HOST_CONNECTIONS);
	fclose(f);
}

/* The text member of a flat JSON object. */
static void member(const char *json, const char *name, char *to, size_t size) {
	char key[32];
	const char *from;
	size_t n;
	snprintf(key, sizeof key, "\"%s\":\"", name);
	from = strstr(json, key);
	assert_non_null(from);
	from += strlen(key);
	n = strcspn(from, "\"");
	assert_true(n < size);
	memcpy(to, from, n);
	to[n] = '\0';
	while ((to = strchr(to, '\\'))) /* \/ */
		memmove(to, to + 1, strlen(to));
}

/* Without what a tool wants in the environment of the program under it. */
static char **environment(void) {
	static char *env[512];
	size_t n = 0;
	for (char **v = environ; *v && n + 1 < COUNT(env); v++)
		if (strncmp(*v, "LD_PRELOAD=", 11) != 0)
			env[n++] = *v;
	env[n] = NULL;
	return env;
}

static void spawn_emulator(struct emulator *e, int in, int out) {
	static char program[] = "lua5.4", script[] = "scripts/emulator.lua",
		    control[] = "--control", ends[] = "--exit-with-stdin",
		    state[] = "--state", log[] = "--log", ca[] = "--ca-file";
	char *argv[] = { program, script, control, ends,       state, e->state,
		         log,     e->log, ca,      e->ca_file, NULL };
	posix_spawn_file_actions_t a;
	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_adddup2(&a, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&a, out, STDOUT_FILENO);
	if (getenv("LUA"))
		argv[0] = getenv("LUA");
	assert_int_equal(
		posix_spawnp(&e->pid, argv[0], &a, NULL, argv, environment()),
		0);
	posix_spawn_file_actions_destroy(&a);
}

void emulator_start(struct emulator *e) {
	int in[2], out[2];
	char line[65536];
	FILE *f;
	memset(e, 0, sizeof *e);
	write_state(e);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	spawn_emulator(e, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	e->in = in[1];
	f = fdopen(out[0], "r");
	if (!fgets(line, sizeof line, f))
		FAIL("the emulator did not start");
	fclose(f);
	member(line, "endpoint", e->endpoint, sizeof e->endpoint);
	member(line, "tls_endpoint", e->tls_endpoint, sizeof e->tls_endpoint);
	member(line, "tls_thumbprint", e->tls_thumbprint,
	       sizeof e->tls_thumbprint);
}

void emulator_stop(struct emulator *e) {
	close(e->in);
	host_wait(e->pid);
}

void emulator_reset(struct emulator *e) {
	static const char *const all[] = { "faults", "options", "clock",
		                           "state" };
	FILE *f = fopen(e->log, "r");
	assert_non_null(f);
	for (size_t i = 0; i < COUNT(all); i++)
		free(emulator_control(e, "DELETE", all[i], ""));
	fseek(f, 0, SEEK_END);
	e->from = ftell(f);
	fclose(f);
}

struct emulator emulator;

int host_start(void **state) {
	(void)state;
	host_first_thread();
	emulator_start(&emulator);
	return 0;
}

int host_fresh(void **state) {
	(void)state;
	emulator_reset(&emulator);
	return 0;
}

int host_stop(void **state) {
	(void)state;
	emulator_stop(&emulator);
	return 0;
}

static int reach(const struct emulator *e) {
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(strrchr(e->endpoint, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static char *read_all(int fd) {
	size_t n = 0, size = 65536;
	char *text = malloc(size);
	ssize_t got;
	while ((got = read(fd, text + n, size - n - 1)) > 0) {
		n += (size_t)got;
		if (n + 1 == size)
			text = realloc(text, size *= 2);
	}
	text[n] = '\0';
	return text;
}

/* The answer's body. */
static char *ask(struct emulator *e, const char *method, const char *target,
                 const char *body) {
	int fd = reach(e);
	char *text, *rest;
	dprintf(fd,
	        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	        "Metadata: true\r\nContent-Length: %zu\r\n\r\n%s",
	        method, target, strlen(body), body);
	text = read_all(fd);
	close(fd);
	rest = strstr(text, "\r\n\r\n");
	if (strncmp(text, "HTTP/1.1 2", 10) != 0 || rest == NULL)
		FAIL("%s %s: %s", method, target, text);
	memmove(text, rest + 4, strlen(rest + 4) + 1);
	return text;
}

char *emulator_control(struct emulator *e, const char *method, const char *what,
                       const char *body) {
	char target[64];
	snprintf(target, sizeof target, "/_emulator/%s", what);
	return ask(e, method, target, body);
}

char *emulator_token(struct emulator *e) {
	char *answer = ask(e, "GET",
	                   "/metadata/identity/oauth2/token"
	                   "?api-version=2018-02-01"
	                   "&resource=https://management.azure.com",
	                   "");
	size_t size = strlen(answer) + 1;
	char *token = malloc(size);
	member(answer, "access_token", token, size);
	free(answer);
	return token;
}

/* One entry a line, written before its answer goes out. */
static FILE *open_log(const struct emulator *e) {
	FILE *f = fopen(e->log, "r");
	assert_non_null(f);
	fseek(f, e->from, SEEK_SET);
	return f;
}

int emulator_count(struct emulator *e, const char *kind, const char *text) {
	static char line[65536];
	char key[64];
	FILE *f = open_log(e);
	int n = 0;
	snprintf(key, sizeof key, "\"kind\":\"%s\"", kind);
	while (fgets(line, sizeof line, f))
		n += strstr(line, key) && (!text || strstr(line, text));
	fclose(f);
	return n;
}

int emulator_connections(struct emulator *e) {
	static char line[65536];
	bool seen[65536] = { false };
	FILE *f = open_log(e);
	int n = 0;
	while (fgets(line, sizeof line, f)) {
		const char *at = strstr(line, "\"connection\":");
		unsigned number = at ? (unsigned)atoi(at + 13) % 65536 : 0;
		if (at == NULL || strstr(line, "\"kind\":\"control\""))
			continue;
		n += !seen[number];
		seen[number] = true;
	}
	fclose(f);
	return n;
}

/* ---- Lua states --------------------------------------------------------- */

static const char prelude[] =
	"local function with(t, more)\n"
	"  for k, v in pairs(more or {}) do t[k] = v end\n"
	"  return t\n"
	"end\n"
	"function id(n)\n"
	"  return ('/subscriptions/3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10'\n"
	"    .. '/resourceGroups/rg/providers/Microsoft.Batch/batchAccounts'\n"
	"    .. '/hostacct/privateEndpointConnections'\n"
	"    .. '/pe%03d.5a7e0001-91c4-4d2b-8f36-70b1e2c3%04x'):format(n, n)\n"
	"end\n"
	"function approve(n, more)\n"
	"  return with({ id = id(n), status = 'Approved',\n"
	"    description = 'approved' }, more)\n"
	"end\n"
	"function client(more)\n"
	"  return azpec.client(with({ endpoint = e.tls_endpoint,\n"
	"    authority_host = e.tls_endpoint, ca_file = e.ca_file,\n"
	"    subscription_id = '3f1c2a54-6a1e-4b7d-9c55-0e8d1b2a7f10',\n"
	"    poll_interval = 0.02, timeout = hang, proxy = '',\n"
	"    retry = { max_tries = 4, base_delay = 0.01, max_delay = 2 },\n"
	"    credential = azpec.credential.client_secret {\n"
	"      tenant_id = '8d5d7f62-54e8-4c0b-a3d1-5b6f2f3c9e01',\n"
	"      client_id = 'b1e0c6a4-2f75-4a39-8d0e-6c1f7a9b3d22',\n"
	"      client_secret = 'a secret for the hosts of the tests' },\n"
	"  }, more))\n"
	"end\n";

static void set_text(lua_State *L, const char *name, const char *text) {
	lua_pushstring(L, text);
	lua_setfield(L, -2, name);
}

bool host_furnish(lua_State *L, const struct emulator *e) {
	luaL_openlibs(L);
	luaL_requiref(L, "cjson", luaopen_cjson, 0);
	luaL_requiref(L, "azpec", luaopen_azpec, 0);
	lua_setglobal(L, "azpec");
	lua_newtable(L);
	set_text(L, "endpoint", e->endpoint);
	set_text(L, "tls_endpoint", e->tls_endpoint);
	set_text(L, "tls_thumbprint", e->tls_thumbprint);
	set_text(L, "ca_file", e->ca_file);
	lua_setglobal(L, "e");
	lua_pushinteger(L, host_patience());
	lua_setglobal(L, "patience");
	lua_pushinteger(L, host_hang() / 1000);
	lua_setglobal(L, "hang");
	if (luaL_dostring(L, prelude) != LUA_OK) {
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		return false;
	}
	lua_settop(L, 0);
	return true;
}

lua_State *host_state(const struct emulator *e) {
	lua_State *L = luaL_newstate();
	if (L != NULL && !host_furnish(L, e)) {
		lua_close(L);
		return NULL;
	}
	return L;
}

const char *host_run(lua_State *L, const char *chunk) {
	lua_settop(L, 0);
	if (luaL_loadstring(L, chunk) == LUA_OK &&
	    lua_pcall(L, 0, 1, 0) == LUA_OK)
		return luaL_tolstring(L, -1, NULL);
	lua_pushfstring(L, "error: %s", luaL_tolstring(L, -1, NULL));
	return lua_tostring(L, -1);
}

void host_expect(lua_State *L, const char *chunk, const char *expected) {
	const char *said = host_run(L, chunk);
	if (strcmp(said, expected) != 0)
		FAIL("%s\n  gives: %s\n  not:   %s", chunk, said, expected);
}

/* ---- what a process holds ----------------------------------------------- */

static int entries(const char *path) {
	DIR *dir = opendir(path);
	int n = 0;
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

int host_descriptors(void) {
	return entries("/proc/self/fd") - 3; /* ".", ".." and its own */
}

int host_threads(void) {
	return entries("/proc/self/task") - 2;
}

static void *nothing(void *ud) {
	return ud;
}

void host_first_thread(void) {
	pthread_t first;
	assert_int_equal(pthread_create(&first, NULL, nothing, NULL), 0);
	pthread_join(first, NULL);
}

int host_wait_threads(int wanted) {
	int64_t end = host_now() + host_hang();
	int n;
	while ((n = host_threads()) > wanted && host_now() < end)
		poll(NULL, 0, 5);
	return n;
}

_Noreturn void host_end_child(int status) {
	execl("/bin/sh", "sh", "-c", status ? "exit 1" : "exit 0", NULL);
	_exit(2);
}

int host_wait(pid_t pid) {
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
