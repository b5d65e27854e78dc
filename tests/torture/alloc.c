/*
 * alloc.c [STRIDE [SCENARIO [ALLOCATOR [N]]]] -- a host whose memory fails.
 * For each scenario of alloc.lua, each allocator and both modes it counts the
 * allocations of a good run; then the n-th one fails, or all from the n-th on,
 * for each n (each STRIDE-th).  Prints a line a scenario and allocator, and
 * last "N passed, N failed".
 */
#include "host.h"

#include <azpec.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <limits.h>
#include <lua-cjson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

int luaopen_azpec_signing(lua_State *L);

enum {
	WATCHDOG = 60 /* s for one run */,
	CLEAR_LOG = 500 /* runs */,
	MAX_SAID = 5
};

/* ---- the allocators ------------------------------------------------------ */

/* azpec's core allocates by the Lua state's allocator.  libcurl and OpenSSL
   take functions.  What is left in libc are its own (streams, directories,
   posix_spawn); a sanitizer replaces malloc, so it is left out there.
   lua-cjson ends the process when malloc fails, which no caller can prevent:
   its calls are bound to plain_malloc and its like, and never fail. */
enum allocator { OF_LUA, OF_CURL, OF_OPENSSL, OF_LIBC, ALLOCATORS };

static const struct {
	const char *name;
	long stride; /* on top of the caller's: one handshake has thousands */
} allocators[] = {
	{ "Lua", 1 }, { "libcurl", 1 }, { "OpenSSL", 41 }, { "libc", 1 }
};

static struct {
	bool armed, spared;
	enum allocator which;
	long count, from, until;       /* those that fail */
	_Atomic long live[ALLOCATORS]; /* blocks: libcurl has threads too */
} memory;

#if defined __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
enum { TESTED = OF_LIBC };
#define plain_realloc realloc
#define plain_free free
#else
enum { TESTED = ALLOCATORS };
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);
#define plain_realloc __libc_realloc
#define plain_free __libc_free
#endif

static bool fails(enum allocator a) {
	if (!memory.armed || memory.spared || memory.which != a)
		return false;
	memory.count++;
	return memory.count >= memory.from && memory.count < memory.until;
}

static void *get(enum allocator a, void *p, size_t n) {
	void *q = fails(a) ? NULL : plain_realloc(p, n ? n : 1);
	memory.live[a] += p == NULL && q != NULL;
	return q;
}

static void *get_zeroed(enum allocator a, size_t n, size_t size) {
	void *p =
		size > 0 && n > SIZE_MAX / size ? NULL : get(a, NULL, n * size);
	return p ? memset(p, 0, n * size) : NULL;
}

static void put(enum allocator a, void *p) {
	memory.live[a] -= p != NULL;
	plain_free(p);
}

static void *lua_resize(void *ud, void *p, size_t osize, size_t nsize) {
	(void)ud;
	if (nsize == 0) {
		put(OF_LUA, p);
		return NULL;
	}
	if (p != NULL && nsize <= osize) /* Lua relies on it */
		return plain_realloc(p, nsize);
	return get(OF_LUA, p, nsize);
}

static void *curl_malloc(size_t n) {
	return get(OF_CURL, NULL, n);
}

static void *curl_calloc(size_t n, size_t size) {
	return get_zeroed(OF_CURL, n, size);
}

static void *curl_realloc(void *p, size_t n) {
	return get(OF_CURL, p, n);
}

static char *curl_strdup(const char *s) {
	char *p = get(OF_CURL, NULL, strlen(s) + 1);
	return p ? memcpy(p, s, strlen(s) + 1) : NULL;
}

static void curl_put(void *p) {
	put(OF_CURL, p);
}

static void *openssl_malloc(size_t n, const char *file, int line) {
	(void)file, (void)line;
	return n > 0 ? get(OF_OPENSSL, NULL, n) : NULL;
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line) {
	(void)file, (void)line;
	return get(OF_OPENSSL, p, n);
}

static void openssl_put(void *p, const char *file, int line) {
	(void)file, (void)line;
	put(OF_OPENSSL, p);
}

/* The functions that lua-cjson's calls are bound to, see the Makefile. */
void *cjson_malloc(size_t n);
void *cjson_malloc(size_t n) {
	return plain_realloc(NULL, n ? n : 1);
}

void *cjson_realloc(void *p, size_t n);
void *cjson_realloc(void *p, size_t n) {
	return plain_realloc(p, n ? n : 1);
}

void cjson_free(void *p);
void cjson_free(void *p) {
	plain_free(p);
}

#if !defined __SANITIZE_ADDRESS__
#pragma GCC visibility push(default) /* for libraries too */
void *malloc(size_t n) {
	return get(OF_LIBC, NULL, n);
}

void *calloc(size_t n, size_t size) {
	return get_zeroed(OF_LIBC, n, size);
}

void *realloc(void *p, size_t n) {
	return get(OF_LIBC, p, n);
}

void free(void *p) {
	put(OF_LIBC, p);
}
#pragma GCC visibility pop
#endif

/* ---- what libcurl cannot bear -------------------------------------------- */

/* libcurl 7.88.1 frees a name twice that its cache of TLS sessions had no
   memory for (Curl_ssl_addsessionid); no caller can prevent that.  So none of
   its allocations fails while OpenSSL hands it a session. */
static int (*take_session)(SSL *ssl, SSL_SESSION *session);

static int spare_session(SSL *ssl, SSL_SESSION *session) {
	int taken;
	memory.spared = true;
	taken = take_session(ssl, session);
	memory.spared = false;
	return taken;
}

__attribute__((visibility("default"))) void
SSL_CTX_sess_set_new_cb(SSL_CTX *ctx, int (*cb)(SSL *, SSL_SESSION *)) {
	void (*set)(SSL_CTX *, int (*)(SSL *, SSL_SESSION *));
	*(void **)&set = dlsym(RTLD_NEXT, "SSL_CTX_sess_set_new_cb");
	take_session = cb;
	set(ctx, spare_session);
}

/* ---- time ---------------------------------------------------------------- */

/* azpec's clock goes on where only a timer is waited for: alloc.lua waits in
   that way, so a device code's interval takes no time.  The linker binds
   azpec's calls to the wrapper; libcurl has the clock as it is. */
static int64_t skipped; /* s */

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t) {
	int result = __real_clock_gettime(id, t);
	if (id == CLOCK_MONOTONIC)
		t->tv_sec += skipped;
	return result;
}

static int64_t now_ms(void) {
	return host_now() - skipped * 1000;
}

/* ---- what alloc.lua is given --------------------------------------------- */

static char folder[256];

/* starved(f) -> ok, value, err: a pcall whose allocations fail */
static int l_starved(lua_State *L) {
	int status;
	lua_settop(L, 1);
	lua_pushnil(L); /* becomes ok */
	lua_insert(L, 1);
	memory.armed = true;
	status = lua_pcall(L, 0, 2, 0);
	memory.armed = false;
	if (status != LUA_OK)
		lua_pushnil(L);
	lua_pushboolean(L, status == LUA_OK);
	lua_replace(L, 1);
	return 3;
}

/* wait_at(fd): waits until it is readable; after 20 ms a second is skipped */
static int l_wait_at(lua_State *L) {
	struct pollfd p = { .fd = (int)lua_tointeger(L, 1), .events = POLLIN };
	if (poll(&p, 1, 20) == 0)
		skipped++;
	return 0;
}

/* control(method, what, body) -> the emulator's answer */
static int l_control(lua_State *L) {
	char *answer = emulator_control(&emulator, lua_tostring(L, 1),
	                                lua_tostring(L, 2), lua_tostring(L, 3));
	lua_pushstring(L, answer);
	free(answer);
	return 1;
}

/* token() -> one that the emulator knows */
static int l_token(lua_State *L) {
	char *token = emulator_token(&emulator);
	lua_pushstring(L, token);
	free(token);
	return 1;
}

/* setenv(name, value): nil takes it away */
static int l_setenv(lua_State *L) {
	if (lua_isnil(L, 2))
		unsetenv(lua_tostring(L, 1));
	else
		setenv(lua_tostring(L, 1), lua_tostring(L, 2), 1);
	return 0;
}

static const luaL_Reg functions[] = {
	{ "starved", l_starved }, { "wait_at", l_wait_at },
	{ "control", l_control }, { "token", l_token },
	{ "setenv", l_setenv },   { NULL, NULL },
};

/* What alloc.lua returns is at the top; NULL: it said why not. */
static lua_State *open_state(void) {
	lua_State *L = lua_newstate(lua_resize, NULL);
	if (L == NULL || !host_furnish(L, &emulator))
		return NULL;
	luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
	lua_pushcfunction(L, luaopen_azpec_signing);
	lua_setfield(L, -2, "azpec_signing");
	lua_pushglobaltable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pushstring(L, folder);
	lua_setfield(L, -2, "folder");
	lua_settop(L, 0);
	if (luaL_dofile(L, "tests/torture/alloc.lua") == LUA_OK)
		return L;
	fprintf(stderr, "%s\n", lua_tostring(L, -1));
	return NULL;
}

/* ---- one run ------------------------------------------------------------- */

static struct {
	const char *scenario, *mode;
	const char *only; /* the allocator's name; NULL: each */
	long stride, first, runs, passed, failed, said;
	bool all; /* of libcurl's options: say all that a run ends with */
} t;

static char where[256]; /* the present run, for who ends it */

static void set_where(void) {
	snprintf(where, sizeof where, "%s, %s's allocation %s %ld", t.scenario,
	         allocators[memory.which].name, t.mode, memory.from);
}

static void say_where(void) {
	static const char text[] = ": crashed or did not end\n";
	if (write(STDERR_FILENO, where, strlen(where)) < 0 ||
	    write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(2);
}

static void on_end(int signal) {
	say_where();
	_exit(128 + signal);
}

/* The first few of a scenario and allocator. */
static void complain(const char *why) {
	if (t.said++ < MAX_SAID)
		printf("%s: %.400s\n", where, why);
	t.failed++;
}

/* alloc.lua's run(scenario, serial, allocator) -> nil or what is wrong, how it
   ended. */
static bool judge(lua_State *L) {
	bool fine;
	lua_getfield(L, -1, "run");
	lua_pushstring(L, t.scenario);
	lua_pushinteger(L, t.runs);
	lua_pushstring(L, allocators[memory.which].name);
	if (lua_pcall(L, 3, 2, 0) != LUA_OK)
		lua_pushnil(L);
	fine = lua_isnil(L, -2);
	if (!fine)
		complain(luaL_tolstring(L, -2, NULL));
	else if (t.all)
		printf("%s: %s\n", where, luaL_tolstring(L, -1, NULL));
	return fine;
}

/* What a run must leave as it was. */
struct held {
	long live[ALLOCATORS];
	int descriptors;
};

static struct held look(void) {
	struct held h = { .descriptors = host_descriptors() };
	for (int a = 0; a < TESTED; a++)
		h.live[a] = memory.live[a];
	return h;
}

/* NULL: nothing. */
static const char *left_since(const struct held *before) {
	static char text[128];
	struct held now = look();
	if (now.descriptors > before->descriptors)
		return "descriptors are left";
	for (int a = 0; a < TESTED; a++) {
		/* OpenSSL's own are its affair where its memory fails */
		if (now.live[a] <= before->live[a] ||
		    (a == OF_OPENSSL && memory.which == OF_OPENSSL))
			continue;
		snprintf(text, sizeof text, "%ld blocks of %s's are left",
		         now.live[a] - before->live[a], allocators[a].name);
		return text;
	}
	return NULL;
}

/* False: said what is wrong. */
static bool play_once(void) {
	lua_State *L;
	bool fine;
	t.runs++;
	memory.count = 0;
	set_where();
	alarm((unsigned)(WATCHDOG * host_patience()));
	L = open_state();
	fine = L != NULL && judge(L);
	if (L != NULL)
		lua_close(L);
	ERR_clear_error();
	host_wait_threads(1); /* a resolver's may still end */
	alarm(0);
	if (t.runs % CLEAR_LOG == 0)
		free(emulator_control(&emulator, "DELETE", "log", ""));
	return fine;
}

/* What is left once may be a cache of a library's; a leak is left again. */
static long play(enum allocator which, long from, long until) {
	struct held before = look();
	const char *left = NULL;
	bool fine;
	memory.which = which;
	memory.from = from;
	memory.until = until;
	fine = play_once();
	if (fine && left_since(&before)) {
		before = look();
		fine = play_once();
		left = left_since(&before);
	}
	if (fine && left)
		complain(left);
	t.passed += fine && !left;
	return memory.count;
}

/* ---- all of them --------------------------------------------------------- */

static const struct {
	const char *name;
	long width; /* how many fail */
} modes[] = { { "number", 1 }, { "from number", LONG_MAX / 2 } };

static void torture(enum allocator which) {
	int64_t begun = now_ms();
	long count, passed = t.passed, failed = t.failed, runs = t.runs;
	t.said = 0;
	t.mode = "none of";
	count = play(which, LONG_MAX / 2, LONG_MAX);
	for (size_t i = 0; i < COUNT(modes); i++) {
		long stride = t.stride * allocators[which].stride;
		long from = t.first ? t.first : 1 + t.runs % stride;
		t.mode = modes[i].name;
		while (play(which, from, from + modes[i].width) >= from &&
		       !t.first)
			from += stride;
	}
	printf("# %-24s %-8s %5ld allocations, %5ld runs, %ld passed, "
	       "%ld failed, %ld ms\n",
	       t.scenario, allocators[which].name, count, t.runs - runs,
	       t.passed - passed, t.failed - failed, (long)(now_ms() - begun));
	fflush(stdout);
}

/* A crash is the sanitizer's to show. */
static void catch_ends(void) {
	struct sigaction act = { .sa_handler = on_end };
	sigaction(SIGALRM, &act, NULL);
#if defined __SANITIZE_ADDRESS__
	__sanitizer_set_death_callback(say_where);
#else
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGABRT, &act, NULL);
	sigaction(SIGFPE, &act, NULL);
#endif
}

static void prepare(void) {
	catch_ends();
	if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc,
	                              openssl_put) ||
	    curl_global_init_mem(CURL_GLOBAL_DEFAULT, curl_malloc, curl_put,
	                         curl_realloc, curl_strdup,
	                         curl_calloc) != CURLE_OK) {
		fprintf(stderr, "the allocators cannot be set\n");
		exit(2);
	}
	host_folder(folder, sizeof folder);
	emulator_start(&emulator);
}

static bool is_wanted(const char *name, const char *wanted) {
	return wanted == NULL || *wanted == 0 || strcmp(name, wanted) == 0;
}

static void each_scenario(lua_State *L, const char *wanted) {
	lua_getfield(L, -1, "names");
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
		t.scenario = lua_tostring(L, -1); /* the table keeps it */
		for (int a = 0; a < TESTED; a++)
			if (is_wanted(t.scenario, wanted) &&
			    is_wanted(allocators[a].name, t.only))
				torture(a);
		lua_pop(L, 1);
	}
}

int main(int argc, char **argv) {
	const char *wanted = argc > 2 ? argv[2] : NULL;
	lua_State *L;
	t.stride = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
	t.only = argc > 3 ? argv[3] : NULL;
	t.first = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
	t.all = getenv("ALL") != NULL;
	prepare();
	L = open_state();
	lua_getfield(L, -1, "prepare");
	lua_call(L, 0, 0);
	each_scenario(L, wanted);
	lua_close(L);
	emulator_stop(&emulator);
	printf("%ld passed, %ld failed\n", t.passed, t.failed);
	return t.failed > 0;
}
