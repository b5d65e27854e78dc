/*
 * raw.c -- the limit to be compared with: N updates by plain libcurl on one
 * kept connection, in the least that a careful C program would do.
 *
 *     raw PORT ACCOUNT N [CA_FILE]
 */
#include <curl/curl.h>
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

static void die(const char *why) {
	fprintf(stderr, "raw: %s\n", why);
	exit(1);
}

static long perform(CURL *c, const char *url, const char *method,
                    struct text *body) {
	long status = 0;
	CURLcode rc;
	body->n = 0;
	curl_easy_setopt(c, CURLOPT_URL, url);
	if (strcmp(method, "PATCH") == 0)
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, BODY);
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

static void update(CURL *c, const char *url, struct text *body) {
	char next[1024];
	long status = perform(c, url, "PATCH", body);
	while (status == 202) {
		struct curl_header *h;
		if (curl_easy_header(c, "location", 0, CURLH_HEADER, -1, &h) !=
		            CURLHE_OK ||
		    strlen(h->value) >= sizeof next)
			die("a 202 without a usable Location");
		strcpy(next, h->value);
		pause_as_asked(c);
		status = perform(c, next, "GET", body);
	}
	if (status != 200 || strstr(body->p, "\"Succeeded\"") == NULL)
		die("the update did not succeed");
}

int main(int argc, char **argv) {
	char url[1024];
	struct text body = { NULL, 0 };
	struct curl_slist *head = NULL;
	CURL *c;
	if (argc < 4)
		die("usage: raw PORT ACCOUNT N [CA_FILE]");
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
	for (long n = strtol(argv[3], NULL, 10); n > 0; n--)
		update(c, url, &body);
	curl_easy_cleanup(c);
	curl_slist_free_all(head);
	curl_global_cleanup();
	free(body.p);
	return 0;
}
