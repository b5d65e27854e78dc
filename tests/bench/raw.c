/*
 * raw.c -- the limits to be compared with: N updates by plain libcurl on one
 * kept connection, in the least that a careful C program would do.
 *
 *     raw PORT ACCOUNT N [CA_FILE [plain | json [WIDTH]]]
 *
 * With "json" it does what a careful Lua program would do besides: lua-cjson
 * makes each PATCH's body of a table, and a table of each reply's body.  With a
 * WIDTH so many updates are under way at once, none of which may be polled; it
 * prints how many were done in a second, and the CPU time of one in us.
 */
#include <curl/curl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY                                                                   \
	"{\"properties\":{\"privateLinkServiceConnectionState\":{"             \
	"\"status\":\"Approved\",\"description\":\"Approved by bench\"}}}"

struct text {
	char *p;
	size_t n;
};

static void die(const char *why) {
	fprintf(stderr, "raw: %s\n", why);
	exit(1);
}

static size_t collect(char *data, size_t size, size_t n, void *to) {
	struct text *t = to;
	char *p = realloc(t->p, t->n + size * n + 1);
	if (p == NULL)
		return 0;
	memcpy(p + t->n, data, size * n);
	t->p = p;
	t->n += size * n;
	t->p[t->n] = '\0';
	return size * n;
}

/* --- JSON ---------------------------------------------------------------- */

static const char json[] =
	"local cjson = require 'cjson'.new()\n"
	"return function ()\n"
	"  return cjson.encode { properties = {\n"
	"    privateLinkServiceConnectionState = {\n"
	"      status = 'Approved', description = 'Approved by bench' } } }\n"
	"end, function (body)\n"
	"  local connection = cjson.decode(body)\n"
	"  return connection.properties.provisioningState == 'Succeeded'\n"
	"end";
enum { ENCODE = 1, DECODE }; /* where the two functions are on the stack */

/* NULL: without JSON. */
static lua_State *open_json(int wanted) {
	lua_State *L = wanted ? luaL_newstate() : NULL;
	if (L == NULL)
		return NULL;
	luaL_openlibs(L);
	if (luaL_loadstring(L, json) || lua_pcall(L, 0, 2, 0))
		die(lua_tostring(L, -1));
	return L;
}

/* The string stays on the stack until the next call of lua_settop. */
static const char *encoded(lua_State *L) {
	if (L == NULL)
		return BODY;
	lua_settop(L, DECODE);
	lua_pushvalue(L, ENCODE);
	if (lua_pcall(L, 0, 1, 0))
		die(lua_tostring(L, -1));
	return lua_tostring(L, -1);
}

static int succeeded(lua_State *L, const struct text *body) {
	if (L == NULL)
		return strstr(body->p, "\"Succeeded\"") != NULL;
	lua_settop(L, DECODE);
	lua_pushvalue(L, DECODE);
	lua_pushlstring(L, body->p, body->n);
	if (lua_pcall(L, 1, 1, 0))
		die(lua_tostring(L, -1));
	return lua_toboolean(L, -1);
}

/* --- HTTP ---------------------------------------------------------------- */

static long perform(CURL *c, const char *url, const char *method,
                    const char *request, struct text *body) {
	long status = 0;
	CURLcode rc;
	body->n = 0;
	curl_easy_setopt(c, CURLOPT_URL, url);
	if (request != NULL)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, request);
	else
		curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	rc = curl_easy_perform(c);
	if (rc != CURLE_OK)
		die(curl_easy_strerror(rc));
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* What the service asked us to wait, in nanoseconds. */
static void pause_as_asked(CURL *c) {
	struct curl_header *h;
	struct timespec t = { 1, 0 };
	if (curl_easy_header(c, "retry-after-ms", 0, CURLH_HEADER, -1, &h) ==
	    CURLHE_OK) {
		long ms = strtol(h->value, NULL, 10);
		t = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
	}
	nanosleep(&t, NULL);
}

static void update(CURL *c, lua_State *L, const char *url, struct text *body) {
	char next[1024];
	long status = perform(c, url, "PATCH", encoded(L), body);
	while (status == 202) {
		struct curl_header *h;
		if (curl_easy_header(c, "location", 0, CURLH_HEADER, -1, &h) !=
		            CURLHE_OK ||
		    strlen(h->value) >= sizeof next)
			die("a 202 without a usable Location");
		strcpy(next, h->value);
		pause_as_asked(c);
		status = perform(c, next, "GET", NULL, body);
	}
	if (status != 200 || !succeeded(L, body))
		die("the update did not succeed");
}

/* --- many at once -------------------------------------------------------- */

enum { MOST = 256 };

static double seconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sends what c is set up for; the reply goes to body. */
static void begin(CURLM *m, CURL *c, lua_State *L, struct text *body) {
	body->n = 0;
	curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, encoded(L));
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(c, CURLOPT_PRIVATE, body);
	if (curl_multi_add_handle(m, c) != CURLM_OK)
		die("cannot add a transfer");
}

/* Begins another update with each handle whose last one has ended, as long as
   some are left.  Returns how many are still under way. */
static long finish(CURLM *m, lua_State *L, long flying, long *left) {
	CURLMsg *msg;
	int more;
	while ((msg = curl_multi_info_read(m, &more)) != NULL) {
		CURL *c = msg->easy_handle;
		CURLcode result = msg->data.result;
		struct text *body;
		long status = 0;
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(c, CURLINFO_PRIVATE, &body);
		if (result != CURLE_OK || status != 200 || !succeeded(L, body))
			die("an update did not succeed");
		curl_multi_remove_handle(m, c);
		if (*left > 0)
			begin(m, c, L, body);
		else
			flying--;
		*left -= *left > 0;
	}
	return flying;
}

static void run_many(CURLM *m, lua_State *L, long flying, long left) {
	int running;
	while (flying > 0) {
		if (curl_multi_perform(m, &running) != CURLM_OK)
			die("curl_multi_perform");
		flying = finish(m, L, flying, &left);
		if (flying > 0)
			curl_multi_poll(m, NULL, 0, 1000, NULL);
	}
}

/* As `update`, the first ones not counted: their connections are made. */
static void many(CURL *model, lua_State *L, const char *url, long n,
                 long width) {
	static struct text bodies[MOST];
	CURL *handles[MOST];
	CURLM *m = curl_multi_init();
	double from = 0;
	clock_t cpu = 0;
	if (m == NULL || width > MOST)
		die("no memory, or too many at once");
	curl_easy_setopt(model, CURLOPT_URL, url);
	curl_easy_setopt(model, CURLOPT_CUSTOMREQUEST, "PATCH");
	curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, width);
	for (int warm = 1; warm >= 0; warm--) {
		from = seconds();
		cpu = clock();
		for (long i = 0; i < width; i++) {
			if (warm)
				handles[i] = curl_easy_duphandle(model);
			begin(m, handles[i], L, &bodies[i]);
		}
		run_many(m, L, width, warm ? 16 * width : n - width);
	}
	printf("%.0f %.1f\n", (double)n / (seconds() - from),
	       (double)(clock() - cpu) / CLOCKS_PER_SEC / (double)n * 1e6);
}

int main(int argc, char **argv) {
	char url[1024];
	struct text body = { NULL, 0 };
	struct curl_slist *head = NULL;
	long width = argc > 6 ? strtol(argv[6], NULL, 10) : 0;
	lua_State *L = open_json(argc > 5 && strcmp(argv[5], "json") == 0);
	CURL *c;
	if (argc < 4)
		die("usage: raw PORT ACCOUNT N [CA_FILE [plain | json "
		    "[WIDTH]]]");
	snprintf(url, sizeof url,
	         "https://127.0.0.1:%s/subscriptions/"
	         "00000000-0000-0000-0000-000000000001/resourceGroups/bench/"
	         "providers/Microsoft.Batch/batchAccounts/%s/"
	         "privateEndpointConnections/bench?api-version=2022-06-01",
	         argv[1], argv[2]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	c = curl_easy_init();
	if (c == NULL)
		die("no memory");
	head = curl_slist_append(head, "Authorization: Bearer bench-token");
	head = curl_slist_append(head, "Content-Type: application/json");
	head = curl_slist_append(head, "Accept: application/json");
	head = curl_slist_append(head, "x-ms-client-request-id: 0000");
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, head);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "raw");
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 30000L);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	if (argc > 4) {
		curl_easy_setopt(c, CURLOPT_CAINFO, argv[4]);
		curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	if (width > 0)
		many(c, L, url, strtol(argv[3], NULL, 10), width);
	for (long n = strtol(argv[3], NULL, 10); n > 0 && width == 0; n--)
		update(c, L, url, &body);
	curl_easy_cleanup(c);
	curl_slist_free_all(head);
	curl_global_cleanup();
	free(body.p);
	if (L != NULL)
		lua_close(L);
	return 0;
}
