/*
 * trace.h -- the distributed trace that a request belongs to: W3C Trace
 * Context, level 1 (https://www.w3.org/TR/trace-context-1/).
 */
#ifndef AZPEC_TRACE_H
#define AZPEC_TRACE_H

#include "core/http.h"

enum { TRACE_SPAN_BYTES = 8 };

/* In lower-case hexadecimal: 32 digits and 16 digits. */
struct trace {
	struct span trace_id, span_id;
	bool sampled;
};

/* Parses a traceparent field of version 00 or higher (section 3.2.4).  False:
   invalid, and to be ignored. */
bool trace_parse(struct span traceparent, struct trace *t);
/* True when a tracestate field may be passed on: at most 32 members (section
   3.3.1). */
bool trace_state_fits(struct span tracestate);
/* Makes the request a span of that trace. random: the span's own id. */
void trace_add(struct request *q, const struct trace *parent,
               const unsigned char random[TRACE_SPAN_BYTES],
               struct span tracestate);
/* Reads what trace_add wrote.  False: it wrote nothing. */
bool trace_of(const struct request *q, struct trace *t);

#endif
