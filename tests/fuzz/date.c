/*
 * date.c -- dates beside the C library's and libcurl's:
 *
 *   - a day that exists, written in each form, is read as timegm counts it;
 *     one that does not exist is refused;
 *   - what is read out of any text lies between 1970 and 9999;
 *   - an HTTP date that both libcurl and azpec read is the same time.
 *
 * The input: seven bytes, a day and a time, then a text.
 */
#include "fuzz.h"

#include <curl/curl.h>
#include <time.h>

#include "core/date.h"

static const char *const days[] = { "Sun", "Mon", "Tue", "Wed",
	                            "Thu", "Fri", "Sat" };
static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

/* Of 9999, and the farthest zone. */
static const int64_t last_ms = INT64_C(253402300800000) + 14 * 3600000;

/* Some of these do not exist: 0 to 32 of a month, 0 to 24 o'clock. */
static struct tm draw_day(void) {
	return (struct tm){ .tm_year = (int)(take_number(2) % 8030 + 70),
		            .tm_mon = take() % 12,
		            .tm_mday = take() % 33,
		            .tm_hour = take() % 25,
		            .tm_min = take() % 61,
		            .tm_sec = take() % 62 };
}

/* ms since 1970; -1: there is no such time.  RFC 9110 5.6.7 has a leap
   second, which timegm takes for the next one. */
static int64_t ms_of(struct tm day) {
	struct tm same = day;
	int64_t s = timegm(&same);
	bool leaps = day.tm_sec == 60;
	if (leaps) {
		same = day;
		same.tm_sec = 59;
		timegm(&same);
	}
	if (same.tm_mday != day.tm_mday || same.tm_hour != day.tm_hour ||
	    same.tm_min != day.tm_min ||
	    same.tm_sec != day.tm_sec - (leaps ? 1 : 0))
		return -1;
	return s * 1000;
}

static void expect(int64_t is, int64_t want, const char *text) {
	if (is != want)
		wrong("'%s' is %lld and not %lld", text, (long long)is,
		      (long long)want);
}

__attribute__((format(printf, 1, 2))) static struct span
write_date(const char *format, ...) {
	static char text[128];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return test_text(text);
}

static void check_forms(struct tm d) {
	int64_t want = ms_of(d), late = want < 19800000 ? -1 : want - 19800000;
	const char *day = days[d.tm_wday], *month = months[d.tm_mon];
	int year = d.tm_year + 1900, number = d.tm_mon + 1;
	struct span s;
	s = write_date("%s, %02d %s %04d %02d:%02d:%02d GMT", day, d.tm_mday,
	               month, year, d.tm_hour, d.tm_min, d.tm_sec);
	expect(date_http(s), want, s.p);
	s = write_date("%s %s %2d %02d:%02d:%02d %04d", day, month, d.tm_mday,
	               d.tm_hour, d.tm_min, d.tm_sec, year);
	expect(date_http(s), want, s.p);
	s = write_date("%04d-%02d-%02dT%02d:%02d:%02d.25Z", year, number,
	               d.tm_mday, d.tm_hour, d.tm_min, d.tm_sec);
	expect(date_token(s), want, s.p);
	s = write_date("%02d/%02d/%04d %02d:%02d:%02d +00:00", number,
	               d.tm_mday, year, d.tm_hour, d.tm_min, d.tm_sec);
	expect(date_token(s), want, s.p);
	s = write_date("%04d-%02d-%02d %02d:%02d:%02d+05:30", year, number,
	               d.tm_mday, d.tm_hour, d.tm_min, d.tm_sec);
	expect(date_token(s), late, s.p);
}

static void check_range(int64_t ms, const char *text) {
	if (ms < -1 || ms > last_ms)
		wrong("'%s' is %lld", text, (long long)ms);
}

/* libcurl also reads dates that no HTTP date is, and puts the year 70 into
   another century. */
static void check_beside_curl(int64_t ours, const char *text) {
	time_t its = curl_getdate(text, NULL);
	if (ours > 0 && its > 0 && its * INT64_C(1000) != ours &&
	    !strstr(text, "70"))
		wrong("'%s' is %lld, and for libcurl %lld", text,
		      (long long)ours, (long long)its);
}

static void fuzz(void) {
	char *text;
	struct span s;
	check_forms(draw_day());
	s = take_text();
	text = exactly((struct span){ s.p, s.n });
	s.p = text;
	int64_t http = date_http(s), token = date_token(s);
	text = realloc(text, s.n + 1);
	text[s.n] = '\0';
	check_range(http, text);
	check_range(token, text);
	check_beside_curl(http, text);
	free(text);
}
