/* date.c -- dates in header fields and token responses. */
#include "core/date.h"

struct date {
	int64_t year, month, day, hour, minute, second;
};

/* Days since 1970 of a Gregorian date.  Month 13 is January of the next
   year. */
static int64_t days(int64_t y, int64_t m, int64_t d) {
	int64_t year = m <= 2 ? y - 1 : y;
	int64_t march = m <= 2 ? m + 9 : m - 3;
	return year * 365 + year / 4 - year / 100 + year / 400 +
	       (march * 153 + 2) / 5 + d - 1 - 719468;
}

static int64_t date_ms(const struct date *d) {
	if (d->year < 1970 || d->year > 9999 || d->month < 1 || d->month > 12 ||
	    d->day < 1 ||
	    d->day > days(d->year, d->month + 1, 1) -
	                     days(d->year, d->month, 1) ||
	    d->hour > 23 || d->minute > 59 || d->second > 60)
		return -1;
	return (((days(d->year, d->month, d->day) * 24 + d->hour) * 60 +
	         d->minute) *
	                60 +
	        d->second) *
	       1000;
}

static bool parse_month(struct span s, int64_t *out) {
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	for (int m = 0; m < 12; m++) {
		*out = m + 1;
		if (span_ieq(s, (struct span){ names + m * 3, 3 }))
			return true;
	}
	return false;
}

static bool parse_year(struct span s, int64_t *out) {
	if (!span_uint(s, out))
		return false;
	if (s.n == 2) /* RFC 850: two digits, read as 1970 to 2069 */
		*out += *out >= 70 ? 1900 : 2000;
	return s.n == 2 || s.n == 4;
}

static bool parse_time(struct span s, struct date *d) {
	struct span h = span_word(&s, ":"), m = span_word(&s, ":"),
		    sec = span_word(&s, ":");
	return s.n == 0 && span_uint(h, &d->hour) && span_uint(m, &d->minute) &&
	       span_uint(sec, &d->second);
}

int64_t date_http(struct span text) {
	struct date d = { .year = 0 };
	struct span w[6];
	bool ok;
	for (int i = 0; i < 6; i++)
		w[i] = span_word(&text, " ,-");
	if (text.n > 0)
		return -1;
	if (span_uint(w[1], &d.day)) /* Sun, 06 Nov 1994 08:49:37 GMT */
		ok = parse_month(w[2], &d.month) && parse_year(w[3], &d.year) &&
		     parse_time(w[4], &d) && span_eq(w[5], SPAN("GMT"));
	else /* asctime: Sun Nov 6 08:49:37 1994 */
		ok = parse_month(w[1], &d.month) && span_uint(w[2], &d.day) &&
		     parse_time(w[3], &d) && parse_year(w[4], &d.year) &&
		     w[5].n == 0;
	return ok ? date_ms(&d) : -1;
}

/* A zone at the end: "Z", "+hh:mm" or "-hhmm"; UTC without one. */
static bool parse_zone(struct span s, int64_t *minutes) {
	struct span h, m;
	int64_t hours, rest = 0;
	*minutes = 0;
	if (s.n == 0 || span_ieq(s, SPAN("Z")) || span_ieq(s, SPAN("GMT")))
		return true;
	if (*s.p != '+' && *s.p != '-')
		return false;
	h = span_from(s, 1);
	m = h;
	h.n = h.n < 2 ? h.n : 2;
	m = span_from(m, h.n);
	if (m.n > 0 && *m.p == ':')
		m = span_from(m, 1);
	if (!span_uint(h, &hours) || (m.n > 0 && !span_uint(m, &rest)) ||
	    hours > 14 || rest > 59)
		return false;
	*minutes = (hours * 60 + rest) * (*s.p == '-' ? -1 : 1);
	return true;
}

/* yyyy-mm-dd, or mm/dd/yyyy, the US format of .NET. */
static bool parse_day(struct span s, struct date *d) {
	bool iso = s.n == 10 && s.p[4] == '-';
	struct span a = span_word(&s, "-/"), b = span_word(&s, "-/");
	struct span c = span_word(&s, "-/");
	return s.n == 0 && span_uint(iso ? a : c, &d->year) &&
	       span_uint(iso ? b : a, &d->month) &&
	       span_uint(iso ? c : b, &d->day);
}

/* "AM" or "PM" after the time, as App Service's older protocol writes it. */
static struct span parse_half(struct span s, struct date *d) {
	s = span_trim(s);
	if (span_istarts(s, SPAN("AM")))
		d->hour -= d->hour == 12 ? 12 : 0;
	else if (span_istarts(s, SPAN("PM")))
		d->hour += d->hour < 12 ? 12 : 0;
	else
		return s;
	return span_from(s, 2);
}

int64_t date_token(struct span text) {
	struct date d = { .year = 0 };
	struct span day = span_word(&text, " Tt"), time;
	int64_t zone, ms;
	size_t n = 0;
	time = span_trim(text);
	if (time.n > 0 && (*time.p == 'T' || *time.p == 't'))
		time = span_from(time, 1);
	while (n < time.n &&
	       (char_is(time.p[n], CHAR_DIGIT) || time.p[n] == ':'))
		n++;
	text = span_from(time, n);
	time.n = n;
	while (text.n > 0 && (*text.p == '.' || char_is(*text.p, CHAR_DIGIT)))
		/* fractions of a second */
		text = span_from(text, 1);
	if (!parse_day(day, &d) || !parse_time(time, &d) ||
	    !parse_zone(span_trim(parse_half(text, &d)), &zone))
		return -1;
	ms = date_ms(&d);
	if (ms >= 0) /* the zone may move the date before 1970 */
		ms -= zone * 60000;
	return ms < 0 ? -1 : ms;
}
