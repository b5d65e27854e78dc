/*
 * scheduler.c -- decides which operation of a client sends next.
 *
 * Each operation (op.h) says what it wants: a token, to send, to wait, or that
 * it has ended.  The scheduler calls op_next in an order that keeps four rules:
 *
 *   - An operation that has begun goes before one that has not, because its
 *     deadline is running.  An operation begins with its first turn.
 *   - No request is sent before the service's rate limits allow it (rate.h),
 *     and no more than max_in_flight requests are in flight.
 *   - No job starves.  Each queue is first in, first out, but a job that has
 *     begun enters `ready` at the head and leaves it in the same step.  Among
 *     several queues the job with the nearest deadline goes first; jobs that
 *     have not begun go in the order of arrival.
 *   - Of two operations that write to one connection, the second begins after
 *     the first has ended.  Reads do not wait for writes.
 *
 * A job is in at most one queue.  Its way:
 *
 *                 scheduler_add ----> blocked  (another job writes there)
 *                       |                |
 *                       v <--------------+  the other job has ended
 *                       |          wants a token
 *        +----------> ready ------------------------> tokenless
 *        |              |  ^                              |
 *        |   wants to   |  +------ token or failure ------+
 *        |   send       |
 *        |              v
 *        |   held[kind]      has begun; waits for its limit or a place
 *        |   new_held[kind]  has not begun; waits for the same
 *        |              |
 *        |              v  scheduler_sent
 *        |          in_flight[kind]
 *        |              |  scheduler_feed
 *        +--------------+
 *        |
 *        +--> in no queue, but in the heap: waits for its next poll or retry
 *        +--> ended ----> reported once as SCHEDULER_ENDED
 *
 * Kinds.  Azure Resource Manager counts reads, writes and deletes separately,
 * and Azure Resource Graph its queries, so each kind has its own queues.  There
 * are two for each kind, because jobs that have begun go first.  A new ensure
 * reads first, but is useless if it cannot write afterwards; so it waits in the
 * queue of writes.
 *
 * Places. max_in_flight is the number of places.  A new job gets a place only
 * if enough places remain for older jobs.  These are the jobs that wait for the
 * token, and those held by a limit that the new job
 * needs.  Otherwise the deadlines of
 * the older jobs would pass while new jobs start.
 *
 * The heap.  A queued job other than one in ready is due at its deadline; a job
 * in no queue is due at its next turn. wake_due moves all that are due to
 * ready, where op_next ends or continues them.  So the clock is read once in
 * each step.  The driver sleeps until the first
 * entry of the heap, or until a limit lets the first job of a queue go.
 *
 * The token. authorize() is the only function that puts the token into a
 * request, and only if the URL is on a trusted origin.  The token chain
 * (token/chain.h) runs after all jobs.  It fetches one token for all jobs in
 * tokenless; success and failure move all of them to ready.
 *
 * Invariants.
 *
 *   - A job that has begun and has not ended is in ready or in the heap, never
 *     in both.
 *   - The jobs in all in_flight queues together are at most max_in_flight.
 *   - Of one connection's writers at most one is outside blocked, apart from
 *     resumed ones, which only poll.
 *   - scheduler_next ends: each turn moves its job out of ready.
 *
 * Sources.  Limits by subscription, principal and kind of request: "Understand
 * how Azure Resource Manager throttles requests".  Conflicts of concurrent
 * writes: 409 AnotherOperationInProgress of the RPC contract.
 */
#include "core/scheduler.h"

/* ---- jobs that are due at a time: a binary heap ------------------------- */

static void put(struct scheduler *c, size_t at, struct job *j) {
	c->heap[at - 1] = j;
	j->heap_at = at;
}

static void sift_up(struct scheduler *c, size_t at, struct job *j) {
	while (at > 1 && c->heap[at / 2 - 1]->due > j->due) {
		put(c, at, c->heap[at / 2 - 1]);
		at /= 2;
	}
	put(c, at, j);
}

static void sift_down(struct scheduler *c, size_t at, struct job *j) {
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

static void forget_due(struct scheduler *c, struct job *j) {
	size_t at = j->heap_at;
	struct job *last;
	if (at == 0)
		return;
	j->heap_at = 0;
	last = c->heap[--c->heap_n];
	if (last == j)
		return;
	if (last->due < j->due)
		sift_up(c, at, last);
	else
		sift_down(c, at, last);
}

/* The heap has room for every job, since scheduler_add allocates it. */
static void set_due(struct scheduler *c, struct job *j, int64_t due) {
	forget_due(c, j);
	if (due == NEVER)
		return;
	j->due = due;
	sift_up(c, ++c->heap_n, j);
}

static bool make_room(struct scheduler *c, size_t jobs) {
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

/* ---- writes to one connection ------------------------------------------- */

/* The bytes at the end of an id that are hashed.  With a short name they reach
   to the account; a longer one differs from others by its GUID. */
enum { HASHED = 64 };

/* The hash (FNV-1a) ignores case, because Resource Manager's ids do. */
static uint32_t hash_of(struct span id) {
	uint32_t hash = 2166136261u;
	for (size_t i = id.n > HASHED ? id.n - HASHED : 0; i < id.n; i++)
		hash = (hash ^ ((unsigned char)id.p[i] | 0x20u)) * 16777619u;
	return hash;
}

static struct job **writers_of(struct scheduler *c, const struct job *j) {
	return &c->writers[j->id_hash % SCHEDULER_WRITERS];
}

/* The hashes first: the ids of one account differ only at their ends. */
static bool same_connection(const struct job *a, const struct job *b) {
	return a->id_hash == b->id_hash &&
	       span_ieq(a->op.spec.id, b->op.spec.id);
}

/* A resumed operation is already running at the service, and only polls. */
static bool is_resumed(const struct op *o) {
	return o->leg == LEG_POLL || o->leg == LEG_WATCH;
}

/* Adds j to its connection's writers; a resumed job goes to the front.  True:
   it must wait for another one. */
static bool join_writers(struct scheduler *c, struct job *j) {
	struct job **at;
	bool blocked = false;
	j->id_hash = hash_of(j->op.spec.id);
	j->is_writer = true;
	at = writers_of(c, j);
	for (; *at && !is_resumed(&j->op); at = &(*at)->next_writer)
		blocked = blocked || same_connection(*at, j);
	j->next_writer = *at;
	*at = j;
	return blocked;
}

/* A job that has not begun becomes ready, after all that came before it. */
static void enter_new(struct scheduler *c, struct job *j) {
	j->arrival = ++c->arrivals;
	queue_enter(&c->ready, &j->link);
}

/* Removes a job from its connection's writers, and unblocks the next one. */
static void leave_writers(struct scheduler *c, struct job *gone) {
	struct job **at = writers_of(c, gone), *j;
	if (!gone->is_writer)
		return;
	gone->is_writer = false;
	while (*at != gone)
		at = &(*at)->next_writer;
	*at = gone->next_writer;
	j = *writers_of(c, gone);
	while (j && !same_connection(j, gone))
		j = j->next_writer;
	if (j && j->link.queue == &c->blocked)
		enter_new(c, j);
}

/* ---- life --------------------------------------------------------------- */

void scheduler_init(struct scheduler *c, const struct op_config *cfg,
                    size_t max_in_flight) {
	c->cfg = *cfg;
	c->cfg.token = &c->chain.token;
	c->max_in_flight = max_in_flight;
	rate_init(&c->rate);
}

void scheduler_free(struct scheduler *c) {
	if (c->heap)
		mem_resize(c->cfg.mem, c->heap, c->heap_cap * sizeof *c->heap,
		           0);
	c->heap = NULL;
	c->heap_n = c->heap_cap = 0;
}

bool scheduler_add(struct scheduler *c, struct job *j) {
	if (!make_room(c, c->jobs + 1))
		return false;
	c->jobs++;
	if (op_writes(&j->op) && join_writers(c, j))
		queue_enter(&c->blocked, &j->link);
	else
		enter_new(c, j);
	return true;
}

void scheduler_remove(struct scheduler *c, struct job *j) {
	forget_due(c, j);
	queue_leave(&j->link);
	leave_writers(c, j);
	c->jobs--;
}

/* The next page has the remaining time of the list.  The job counts as new
   until its first turn. */
void scheduler_next_page(struct scheduler *c, struct job *j) {
	enter_new(c, j);
}

void scheduler_lost_signin(struct scheduler *c) {
	c->chain.in_flight = false;
	c->chain.scratch.need = NEED_NOTHING;
	c->chain_transfer = NULL;
}

/* The next writer of the same connection may start at once. */
static void end_job(struct scheduler *c, struct job *j) {
	forget_due(c, j);
	leave_writers(c, j);
	queue_enter(&c->ended, &j->link);
}

void scheduler_cancel(struct scheduler *c, struct job *j, const char *why,
                      struct now now) {
	op_cancel(&j->op, why, now);
	end_job(c, j);
}

void scheduler_veto(struct scheduler *c, struct job *j, struct span why,
                    struct now now) {
	op_veto(&j->op, why, now);
	end_job(c, j);
}

/* ---- turns -------------------------------------------------------------- */

/* Puts j at the head of the ready queue, because jobs that have begun go before
   new ones.  Its turn comes in this step, so it leaves the heap. */
static void make_ready(struct scheduler *c, struct job *j) {
	queue_enter_first(&c->ready, &j->link);
	forget_due(c, j);
}

/* Moves all due jobs to ready.  A job whose deadline passed while it waited for
   a token reports the progress of the sign-in in its error. */
static void wake_due(struct scheduler *c, struct now now) {
	while (c->heap_n > 0 && c->heap[0]->due <= now.mono) {
		struct job *j = c->heap[0];
		if (j->link.queue == &c->tokenless)
			chain_progress(&c->chain, &j->op.fail);
		make_ready(c, j);
	}
}

/* Moves all jobs that wait for a token to ready, if the token came or the
   sign-in failed.  False: nothing was moved. */
static bool release_tokenless(struct scheduler *c, struct now now) {
	const struct fail *why = chain_failure(&c->chain);
	bool moved = false;
	while (c->tokenless.last && (c->chain.live || why)) {
		struct job *j = job_at(c->tokenless.last);
		if (c->chain.live)
			op_signed_in(&j->op, now);
		else
			op_no_token(&j->op, why, now);
		make_ready(c, j);
		moved = true;
	}
	return moved;
}

/* Grants the token, or queues the job until it is there.  A 401 passes the
   refused generation and its claims to the chain. */
static void want_token(struct scheduler *c, struct job *j, int64_t deadline,
                       struct now now) {
	uint32_t generation = chain_token(&c->chain, j->op.refused,
	                                  buf_span(&j->op.claims), now);
	if (generation) {
		op_grant(&j->op, generation, now);
	} else {
		queue_enter(&c->tokenless, &j->link);
		set_due(c, j, deadline);
	}
}

/* The only place where a token is put into a request.  The URL may come from
   the service (a polling URL, a nextLink), so its origin is checked here. */
static bool authorize(struct scheduler *c, struct job *j, struct request *q,
                      struct now now) {
	static const struct span scheme = { "Authorization: Bearer ", 22 };
	if (!url_on(buf_span(&q->url), c->cfg.origins, c->cfg.origin_count)) {
		op_stop(&j->op, FAIL_UNTRUSTED,
		        "the request's URL is not on a trusted origin", now);
		return false;
	}
	q->allow_http = span_istarts(buf_span(&q->url), SPAN("http:"));
	q->no_proxy = q->allow_http; /* the proxy could read the token */
	buf_reserve(&q->head, scheme.n + c->chain.token.n + 1);
	buf_add(&q->head, scheme);
	buf_add(&q->head, buf_span(&c->chain.token));
	buf_addc(&q->head, '\0');
	return true;
}

/* An incomplete request is not sent. */
static bool complete(struct job *j, const struct request *q, struct now now) {
	if (!request_failed(q))
		return true;
	op_stop(&j->op, FAIL_LIMIT,
	        "the request is too large, or there is not enough memory", now);
	return false;
}

/* Gives the job its turn.  True: *request is to be sent. */
static bool ask(struct scheduler *c, struct job *j, struct now now,
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
		queue_leave(&j->link);
		set_due(c, j, until);
		return false;
	case OP_DONE:
	case OP_FAIL:
		break;
	}
	end_job(c, j);
	return false;
}

/* The first op_next sets the deadline. */
static bool has_begun(const struct job *j) {
	return j->op.deadline != NEVER;
}

static size_t places_taken(const struct scheduler *c) {
	size_t taken = 0;
	for (int kind = 0; kind < RATE_KINDS; kind++)
		taken += c->in_flight[kind].n;
	return taken;
}

/* True when no new job can get a place.  Jobs that wait for the token count,
   because each needs a place soon.  New jobs then stay in ready, in the order
   of their arrival. */
static bool is_full(const struct scheduler *c) {
	return places_taken(c) + c->tokenless.n >= c->max_in_flight ||
	       c->at_connect_limit;
}

/* The rate limit that the next request of this operation counts for. */
static enum rate_kind kind_of(const struct op *o) {
	if (o->leg == LEG_ACQUIRE) /* a POST */
		return RATE_WRITE;
	if (o->leg != LEG_WRITE)
		return o->spec.kind == OP_QUERY ? RATE_QUERY : RATE_READ;
	return o->spec.kind == OP_DELETE ? RATE_DELETE : RATE_WRITE;
}

/* The queue for a job that has not begun: an ensure that will read first needs
   the limit of writes afterwards. */
static enum rate_kind new_kind_of(const struct op *o) {
	return o->spec.kind == OP_ENSURE && o->leg == LEG_READ ? RATE_WRITE
	                                                       : kind_of(o);
}

/* True when j may occupy a place.  A job that has not begun must leave room for
   the jobs that have: see "Places" above.  Each of them reads, to poll or to
   confirm, so those held by the limit of reads count as well. */
static bool has_place(const struct scheduler *c, const struct job *j) {
	size_t taken = places_taken(c);
	if (!has_begun(j)) {
		enum rate_kind kind = new_kind_of(&j->op);
		taken += c->tokenless.n + c->held[RATE_READ].n;
		taken += kind == RATE_READ ? 0 : c->held[kind].n;
	}
	return taken < c->max_in_flight && !c->at_connect_limit;
}

/* True when op_next will return a request, or ask for a token.  Otherwise the
   job ends, or gives the time of its next turn. */
static bool will_send(const struct job *j, struct now now) {
	return j->op.end == OP_WAIT && j->op.deadline > now.mono &&
	       j->op.not_before <= now.mono;
}

static int64_t next_for(const struct scheduler *c, enum rate_kind kind) {
	return rate_next(&c->rate, kind, c->in_flight[kind].n);
}

static bool may_send(const struct scheduler *c, enum rate_kind kind,
                     struct now now) {
	return next_for(c, kind) <= now.mono;
}

int64_t scheduler_due(const struct scheduler *c, const struct job *j) {
	for (enum rate_kind kind = 0; kind < RATE_KINDS; kind++)
		if (j->link.queue == &c->held[kind] ||
		    j->link.queue == &c->new_held[kind])
			return next_for(c, kind_of(&j->op));
	return j->op.not_before;
}

/* Adds j to a queue of jobs that wait for a limit or a place. */
static void line_up(struct scheduler *c, struct job *j, struct queue *line) {
	queue_enter(line, &j->link);
	set_due(c, j, j->op.deadline);
}

/* Jobs that have not begun have no deadline yet, so their arrival decides. */
static bool goes_before(const struct job *a, const struct job *b) {
	return a->op.deadline < b->op.deadline ||
	       (a->op.deadline == b->op.deadline && a->arrival < b->arrival);
}

/* The first job of these queues that may send now.  Of several, goes_before
   decides, so that no queue starves. */
static struct job *released(const struct scheduler *c,
                            const struct queue *lines, struct now now) {
	struct job *first = NULL;
	for (int kind = 0; kind < RATE_KINDS; kind++) {
		struct job *j = job_at(lines[kind].first);
		if (j && has_place(c, j) && may_send(c, kind_of(&j->op), now) &&
		    (!first || goes_before(j, first)))
			first = j;
	}
	return first;
}

/* The job whose turn it is, or NULL.  Jobs that have begun come first, then new
   ones in the order of arrival. */
static struct job *in_turn(struct scheduler *c, struct now now) {
	struct job *j;
	while ((j = job_at(c->ready.first)) && has_begun(j)) {
		if (!will_send(j, now))
			return j;
		line_up(c, j, &c->held[kind_of(&j->op)]);
	}
	if ((j = released(c, c->held, now)))
		return j;
	/* those in new_held arrived before those in ready */
	if ((j = released(c, c->new_held, now)))
		return j;
	while ((j = job_at(c->ready.first)) && !is_full(c)) {
		struct queue *line = &c->new_held[new_kind_of(&j->op)];
		if (line->n == 0 && has_place(c, j) &&
		    may_send(c, kind_of(&j->op), now))
			return j;
		line_up(c, j, line);
	}
	return NULL;
}

/* Lowers *until to the time at which the limit lets the queue's first job
   go. */
static void note_first(const struct scheduler *c, const struct queue *line,
                       int64_t *until) {
	const struct job *j = job_at(line->first);
	if (j && has_place(c, j))
		*until = sooner(*until, next_for(c, kind_of(&j->op)));
}

/* Lowers *until to the next turn, if no answer comes before. */
static void note_until(const struct scheduler *c, int64_t *until) {
	if (c->heap_n > 0 && c->heap[0]->due < *until)
		*until = c->heap[0]->due;
	for (int kind = 0; kind < RATE_KINDS; kind++) {
		note_first(c, &c->held[kind], until);
		note_first(c, &c->new_held[kind], until);
	}
}

/* Ended jobs are reported first.  The chain runs when no job can send; a result
   of the chain gives the jobs in tokenless another turn. */
enum scheduler_want scheduler_next(struct scheduler *c, struct now now,
                                   struct job **job, struct request *request,
                                   int64_t *until) {
	enum chain_want want;
	*job = NULL;
	wake_due(c, now);
	do {
		while (!c->ended.first && (*job = in_turn(c, now)))
			if (ask(c, *job, now, request))
				return (*job)->op.leg == LEG_WRITE
				               ? SCHEDULER_WRITE
				               : SCHEDULER_SEND;
		*job = job_at(c->ended.first);
		if (*job) {
			queue_leave(&(*job)->link);
			return SCHEDULER_ENDED;
		}
		want = chain_next(&c->chain, now, request, until);
		if (want == CHAIN_SEND)
			return SCHEDULER_SEND;
		if (want == CHAIN_NEED)
			return SCHEDULER_NEED;
	} while (release_tokenless(c, now));
	note_until(c, until);
	return SCHEDULER_WAIT;
}

void scheduler_sent(struct scheduler *c, struct job *job, struct now now) {
	enum rate_kind kind;
	if (!job) {
		chain_sent(&c->chain, now);
		return;
	}
	kind = kind_of(&job->op);
	op_sent(&job->op, now);
	queue_enter(&c->in_flight[kind], &job->link);
	rate_sent(&c->rate, kind, now);
	set_due(c, job, job->op.deadline);
}

/* The rate limits are updated before the job decides about its next request. */
void scheduler_feed(struct scheduler *c, struct job *job,
                    const struct answer *a) {
	if (job) {
		rate_note(&c->rate, kind_of(&job->op), a,
		          c->cfg.retry.max_asked);
		op_feed(&job->op, a);
		make_ready(c, job);
	} else {
		chain_feed(&c->chain, a);
		release_tokenless(c, a->at);
	}
}

void scheduler_provided(struct scheduler *c, struct now now) {
	release_tokenless(c, now);
}
