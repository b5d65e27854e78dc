/* client.c -- the operations of one client and whose turn it is. */
#include "client.h"

/* ---- queues ------------------------------------------------------------- */

void queue_leave(struct job *j) {
	struct queue *q = j->queue;
	if (!q)
		return;
	*(j->prev ? &j->prev->next : &q->first) = j->next;
	*(j->next ? &j->next->prev : &q->last) = j->prev;
	j->prev = j->next = NULL;
	j->queue = NULL;
	q->n--;
}

void queue_enter(struct queue *q, struct job *j) {
	queue_leave(j);
	j->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = j;
	q->last = j;
	j->queue = q;
	q->n++;
}

/* ---- those who wait for a time: a binary heap --------------------------- */

static void put(struct client *c, size_t at, struct job *j) {
	c->heap[at - 1] = j;
	j->heap_at = at;
}

static void sift_up(struct client *c, size_t at, struct job *j) {
	while (at > 1 && c->heap[at / 2 - 1]->due > j->due) {
		put(c, at, c->heap[at / 2 - 1]);
		at /= 2;
	}
	put(c, at, j);
}

static void sift_down(struct client *c, size_t at, struct job *j) {
	size_t child;
	while ((child = at * 2) <= c->heap_n) {
		if (child < c->heap_n &&
		    c->heap[child]->due < c->heap[child - 1]->due)
			child++;
		if (c->heap[child - 1]->due >= j->due)
			break;
		put(c, at, c->heap[child - 1]);
		at = child;
	}
	put(c, at, j);
}

static void forget_due(struct client *c, struct job *j) {
	size_t at = j->heap_at;
	struct job *last;
	if (at == 0)
		return;
	j->heap_at = 0;
	last = c->heap[--c->heap_n];
	if (last == j)
		return;
	if (at > 1 && c->heap[at / 2 - 1]->due > last->due)
		sift_up(c, at, last);
	else
		sift_down(c, at, last);
}

/* The heap has a place for every operation: client_add saw to it. */
static void set_due(struct client *c, struct job *j, int64_t due) {
	forget_due(c, j);
	if (due == NEVER)
		return;
	j->due = due;
	sift_up(c, ++c->heap_n, j);
}

static bool make_room(struct client *c, size_t jobs) {
	size_t cap = c->heap_cap ? c->heap_cap * 2 : 16;
	struct job **heap;
	if (jobs <= c->heap_cap)
		return true;
	heap = mem_resize(c->cfg.mem, c->heap, c->heap_cap * sizeof *heap,
	                  cap * sizeof *heap);
	if (!heap)
		return false;
	c->heap = heap;
	c->heap_cap = cap;
	return true;
}

/* ---- life --------------------------------------------------------------- */

void client_init(struct client *c, const struct op_config *cfg,
                 size_t max_flying) {
	c->cfg = *cfg;
	c->cfg.token = &c->signin.token;
	c->max_flying = max_flying;
	rate_init(&c->rate);
}

void client_free(struct client *c) {
	if (c->heap)
		mem_resize(c->cfg.mem, c->heap, c->heap_cap * sizeof *c->heap,
		           0);
	c->heap = NULL;
	c->heap_n = c->heap_cap = 0;
}

bool client_add(struct client *c, struct job *j) {
	if (!make_room(c, c->jobs + 1))
		return false;
	c->jobs++;
	queue_enter(&c->ready, j);
	return true;
}

void client_remove(struct client *c, struct job *j) {
	forget_due(c, j);
	queue_leave(j);
	c->jobs--;
}

void client_resume(struct client *c, struct job *j) {
	queue_enter(&c->ready, j);
}

void client_lost_signin(struct client *c) {
	c->signin.in_flight = false;
	c->signin.scratch.need = NEED_NOTHING;
	c->signin_transfer = NULL;
}

static void ended(struct client *c, struct job *j) {
	forget_due(c, j);
	queue_enter(&c->ended, j);
}

void client_cancel(struct client *c, struct job *j, const char *why,
                   struct now now) {
	op_stop(&j->op, FAIL_CANCELED, why, now);
	ended(c, j);
}

/* ---- turns -------------------------------------------------------------- */

/* To be asked what it wants, before those who have not begun: an operation
   once begun is to be brought to its end.  Its deadline goes on meanwhile. */
static void ready(struct client *c, struct job *j, struct now now) {
	queue_leave(j);
	j->next = c->ready.first;
	*(j->next ? &j->next->prev : &c->ready.last) = j;
	c->ready.first = j;
	j->queue = &c->ready;
	c->ready.n++;
	set_due(c, j, j->op.deadline > now.mono ? j->op.deadline : NEVER);
}

/* Who waits for a token is due when its time is up, and tells why. */
static void wake_due(struct client *c, struct now now) {
	while (c->heap_n > 0 && c->heap[0]->due <= now.mono) {
		struct job *j = c->heap[0];
		if (j->queue == &c->tokenless)
			signin_progress(&c->signin, &j->op.fail);
		ready(c, j, now);
	}
}

/* The token came, or will not come: all who wait for it hear of it. */
static bool tell_tokenless(struct client *c, struct now now) {
	const struct fail *why = signin_failure(&c->signin);
	bool told = false;
	while (c->tokenless.last && (c->signin.live || why)) {
		struct job *j = c->tokenless.last;
		if (!c->signin.live)
			op_no_token(&j->op, why, now);
		ready(c, j, now);
		told = true;
	}
	return told;
}

static void want_token(struct client *c, struct job *j, int64_t deadline,
                       struct now now) {
	uint32_t generation = signin_token(&c->signin, j->op.refused,
	                                   buf_span(&j->op.claims), now);
	if (generation) {
		op_grant(&j->op, generation, now);
	} else {
		queue_enter(&c->tokenless, j);
		set_due(c, j, deadline);
	}
}

/* The one place where a token meets a request; whoever built the URL, the
   token goes to no other origin. */
static bool authorize(struct client *c, struct job *j, struct request *q,
                      struct now now) {
	static const struct span scheme = { "Authorization: Bearer ", 22 };
	if (!url_on(buf_span(&q->url), c->cfg.origins, c->cfg.origin_count)) {
		op_stop(&j->op, FAIL_UNTRUSTED,
		        "the request's URL is on no trusted origin", now);
		return false;
	}
	q->allow_http = span_istarts(buf_span(&q->url), SPAN("http:"));
	q->no_proxy = q->allow_http; /* it would read the token */
	buf_reserve(&q->head, scheme.n + c->signin.token.n + 1);
	buf_add(&q->head, scheme);
	buf_add(&q->head, buf_span(&c->signin.token));
	buf_addc(&q->head, '\0');
	return true;
}

/* A request that would lack a part of itself is not sent. */
static bool complete(struct job *j, const struct request *q, struct now now) {
	if (!request_failed(q))
		return true;
	op_stop(&j->op, FAIL_LIMIT,
	        "the request is larger than it may be, or memory is short",
	        now);
	return false;
}

/* Asks it what it wants.  True: to send. */
static bool ask(struct client *c, struct job *j, struct now now,
                struct request *request) {
	int64_t until;
	switch (op_next(&j->op, now, request, &until)) {
	case OP_TOKEN:
		want_token(c, j, until, now);
		return false;
	case OP_SEND:
		return complete(j, request, now) &&
		       authorize(c, j, request, now) &&
		       complete(j, request, now);
	case OP_WAIT:
		queue_leave(j);
		set_due(c, j, until);
		return false;
	case OP_DONE:
	case OP_FAIL:
		ended(c, j);
		return false;
	}
	return false;
}

static bool has_begun(const struct job *j) {
	return j->op.deadline != NEVER;
}

/* All places are taken, or the driver takes no more. */
static bool is_full(const struct client *c) {
	size_t taken = 0;
	for (int kind = 0; kind < RATE_KINDS; kind++)
		taken += c->flying[kind].n;
	return taken >= c->max_flying || c->crowded;
}

static enum rate_kind kind_of(const struct op *o) {
	if (o->leg != LEG_WRITE)
		return RATE_READ;
	return o->spec.kind == OP_DELETE ? RATE_DELETE : RATE_WRITE;
}

/* The line in which one waits that has not begun: an ensure reads first, and is
   of no use where it cannot write then. */
static enum rate_kind new_kind_of(const struct op *o) {
	return o->spec.kind == OP_ENSURE && o->leg == LEG_READ ? RATE_WRITE
	                                                       : kind_of(o);
}

/* Is there a place?  For one that has not begun, only where none that has is
   waiting for one, or for a limit that it will need too: its time would run
   without it. */
static bool has_place(const struct client *c, const struct job *j) {
	size_t taken = has_begun(j) ? 0 : c->tokenless.n;
	for (int kind = 0; kind < RATE_KINDS; kind++) {
		taken += c->flying[kind].n;
		if (!has_begun(j) &&
		    (kind == RATE_READ || kind == (int)new_kind_of(&j->op)))
			taken += c->held[kind].n;
	}
	return taken < c->max_flying && !c->crowded;
}

/* Will it send when it is asked?  Otherwise it only wants to hear that it is
   over, that its time is up, or when to come again. */
static bool will_send(const struct job *j, struct now now) {
	return j->op.end == OP_WAIT && j->op.deadline > now.mono &&
	       j->op.not_before <= now.mono;
}

static int64_t next_for(const struct client *c, enum rate_kind kind) {
	return rate_next(&c->rate, kind, c->flying[kind].n);
}

static bool may_send(const struct client *c, enum rate_kind kind,
                     struct now now) {
	return next_for(c, kind) <= now.mono;
}

/* Behind the others that wait for room in the same limit, or for a place. */
static void line_up(struct client *c, struct job *j, struct queue *line) {
	queue_enter(line, j);
	set_due(c, j, j->op.deadline);
}

/* The first in a limit's line that may go now; of several, the one whose time
   is up first, so that no line stands for ever behind another. */
static struct job *released(const struct client *c, const struct queue *lines,
                            struct now now) {
	struct job *first = NULL;
	for (int kind = 0; kind < RATE_KINDS; kind++) {
		struct job *j = lines[kind].first;
		if (j && has_place(c, j) && may_send(c, kind_of(&j->op), now) &&
		    (!first || j->op.deadline < first->op.deadline))
			first = j;
	}
	return first;
}

/* Who is to be asked now; NULL: nobody.  Those that have begun come before
   those that have not, in `ready` too; and each in its turn, however many
   more are due than there are places. */
static struct job *in_turn(struct client *c, struct now now) {
	struct job *j;
	while ((j = c->ready.first) && has_begun(j)) {
		if (!will_send(j, now))
			return j;
		line_up(c, j, &c->held[kind_of(&j->op)]);
	}
	if ((j = released(c, c->held, now)))
		return j;
	while ((j = c->ready.first) && !is_full(c)) {
		struct queue *line = &c->new_held[new_kind_of(&j->op)];
		if (line->n == 0 && has_place(c, j) &&
		    may_send(c, kind_of(&j->op), now))
			return j;
		line_up(c, j, line);
	}
	return released(c, c->new_held, now);
}

/* The first of a line, when its limit lets it go. */
static void note_first(const struct client *c, const struct queue *line,
                       int64_t *until) {
	const struct job *j = line->first;
	if (j && has_place(c, j))
		*until = sooner(*until, next_for(c, kind_of(&j->op)));
}

/* When somebody is due, or may go on, if nothing happens before. */
static void note_until(const struct client *c, int64_t *until) {
	if (c->heap_n > 0 && c->heap[0]->due < *until)
		*until = c->heap[0]->due;
	for (int kind = 0; kind < RATE_KINDS; kind++) {
		note_first(c, &c->held[kind], until);
		note_first(c, &c->new_held[kind], until);
	}
}

enum client_want client_next(struct client *c, struct now now, struct job **job,
                             struct request *request, int64_t *until) {
	enum signin_want signin;
	*job = NULL;
	wake_due(c, now);
	do {
		while (!c->ended.first && (*job = in_turn(c, now)))
			if (ask(c, *job, now, request))
				return CLIENT_SEND;
		*job = c->ended.first;
		if (*job) {
			queue_leave(*job);
			return CLIENT_ENDED;
		}
		signin = signin_next(&c->signin, now, request, until);
		if (signin == SIGNIN_SEND)
			return CLIENT_SEND;
		if (signin == SIGNIN_NEED)
			return CLIENT_NEED;
	} while (tell_tokenless(c, now));
	note_until(c, until);
	return CLIENT_WAIT;
}

void client_sent(struct client *c, struct job *job, struct now now) {
	enum rate_kind kind;
	if (!job) {
		signin_sent(&c->signin, now);
		return;
	}
	kind = kind_of(&job->op);
	op_sent(&job->op, now);
	queue_enter(&c->flying[kind], job);
	rate_sent(&c->rate, kind, now);
	set_due(c, job, job->op.deadline);
}

void client_feed(struct client *c, struct job *job, const struct answer *a) {
	if (job) {
		rate_note(&c->rate, kind_of(&job->op), a,
		          c->cfg.retry.max_delay);
		op_feed(&job->op, a);
		ready(c, job, a->at);
	} else {
		signin_feed(&c->signin, a);
		tell_tokenless(c, a->at);
	}
}

void client_signed(struct client *c, struct now now) {
	tell_tokenless(c, now);
}
