/* scheduler_pace.c -- many operations against a service that keeps Azure
   Resource Manager's limits, with the clock in hand: are they as fast as they
   may be, and refused nothing? */
#include "tables.h"
#include "who.h"

#include "core/scheduler.h"

enum { SECOND = 1000, LATENCY = 100, MAX_JOBS = 2000, MAX_IN_FLIGHT = 64 };

#define HOST "https://management.azure.com"

static const struct who ready = { .flow = &flow_token,
	                          .secret = LITERAL("ready") };

/* ---- the service -------------------------------------------------------- */

struct bucket {
	double level, size, refill;
	int64_t at;
	int served, refused;
};

static struct {
	struct scheduler c;
	struct url origin;
	struct request q;
	struct job *jobs;
	size_t n, ended, failed;
	/* from .. until: operations go on, and answers take long */
	int64_t busy_from, busy_until;
	int64_t latest; /* that one was sent after it was due, ms */
	int64_t ms;
	/* requests on their way, in the order of their arrival */
	struct job *way[MAX_JOBS];
	int64_t arrives[MAX_JOBS];
	size_t first, last;
	struct bucket buckets[RATE_KINDS];
} sim;

static void fill(struct bucket *b) {
	b->level += b->refill * (double)(sim.ms - b->at) / SECOND;
	if (b->level > b->size)
		b->level = b->size;
	b->at = sim.ms;
}

static bool take(struct bucket *b) {
	fill(b);
	if (b->level < 1) {
		b->refused++;
		return false;
	}
	b->level -= 1;
	b->served++;
	return true;
}

static enum rate_kind kind_of(const struct job *j) {
	if (j->op.leg != LEG_WRITE)
		return RATE_READ;
	return j->op.spec.kind == OP_DELETE ? RATE_DELETE : RATE_WRITE;
}

static void feed(struct job *j, const struct reply *r, struct facts f) {
	struct answer a = answer_of(r, facts_about(f, j->op.spec.id), sim.ms);
	scheduler_feed(&sim.c, j, &a);
}

static void answer(struct job *j) {
	static const char *const names[] = { "reads", "writes", "deletes" };
	enum rate_kind kind = kind_of(j);
	bool found = j->op.leg == LEG_READ; /* by an ensure, as it was */
	struct facts f =
		facts_resource("Succeeded", found ? "Pending" : "Approved");
	char head[200];
	bool fine = take(&sim.buckets[kind]);
	snprintf(head, sizeof head,
	         "x-ms-ratelimit-remaining-subscription-%s: %d%s", names[kind],
	         (int)sim.buckets[kind].level, fine ? "" : "\nRetry-After: 5");
	if (!fine)
		f = facts_error("SubscriptionRequestsThrottled", "too many");
	if (sim.ms < sim.busy_until)
		f = facts_resource("Updating", "Approved");
	feed(j, reply_of(fine ? 200 : 429, head, "{}"), f);
}

static void build(double writes, double reads) {
	struct op_config cfg = { .mem = test_mem(),
		                 .origins = &sim.origin,
		                 .origin_count = 1,
		                 .retry = RETRY_DEFAULT,
		                 .try_timeout = 60 * SECOND };
	memset(&sim, 0, sizeof sim);
	sim.ms = 1000 * SECOND;
	assert_true(url_parse(SPAN(HOST), &sim.origin));
	scheduler_init(&sim.c, &cfg, MAX_IN_FLIGHT);
	assert_true(who_init(&sim.c.chain, &ready));
	request_init(&sim.q, test_mem());
	sim.jobs = calloc(MAX_JOBS, sizeof *sim.jobs);
	assert_non_null(sim.jobs);
	sim.buckets[RATE_READ] =
		(struct bucket){ reads, 250, 25, sim.ms, 0, 0 };
	sim.buckets[RATE_WRITE] =
		(struct bucket){ writes, 200, 10, sim.ms, 0, 0 };
}

static void add(enum op_kind kind) {
	struct op_spec spec = { .kind = kind,
		                .url = SPAN(HOST "/x"),
		                .id = test_id(sim.n),
		                .status = SPAN("Approved"),
		                .timeout = 300 * SECOND,
		                .seed = (uint32_t)sim.n + 1 };
	struct job *j = &sim.jobs[sim.n++];
	assert_true(sim.n <= MAX_JOBS);
	assert_true(op_init(&j->op, &sim.c.cfg, &spec));
	assert_true(scheduler_add(&sim.c, j));
}

static void end(struct job *j) {
	sim.ended++;
	sim.failed += j->op.end == OP_FAIL;
	scheduler_remove(&sim.c, j);
	op_free(&j->op);
}

static bool is_busy(void) {
	return sim.ms >= sim.busy_from && sim.ms < sim.busy_until;
}

static void send(struct job *j) {
	int64_t late = sim.ms - j->op.not_before;
	if (j->op.not_before > 0 && late > sim.latest)
		sim.latest = late;
	scheduler_sent(&sim.c, j, now_at(sim.ms));
	request_free(&sim.q);
	sim.way[sim.last % MAX_JOBS] = j;
	sim.arrives[sim.last++ % MAX_JOBS] =
		sim.ms + (is_busy() ? 20 * LATENCY : LATENCY);
}

/* To the next arrival, or to when the client wants to be asked. */
static void advance(int64_t until) {
	bool any = sim.first != sim.last;
	int64_t arrival = any ? sim.arrives[sim.first % MAX_JOBS] : NEVER;
	if (arrival > until) {
		assert_true(until > sim.ms); /* or it would spin */
		sim.ms = until;
		return;
	}
	assert_true(any); /* or it would wait for ever */
	sim.ms = arrival > sim.ms ? arrival : sim.ms;
	answer(sim.way[sim.first++ % MAX_JOBS]);
}

static void turn(void) {
	int64_t until;
	struct job *j;
	switch (scheduler_next(&sim.c, now_at(sim.ms), &j, &sim.q, &until)) {
	case SCHEDULER_SEND:
	case SCHEDULER_WRITE:
		send(j);
		break;
	case SCHEDULER_ENDED:
		end(j);
		break;
	case SCHEDULER_WAIT:
		advance(until);
		break;
	case SCHEDULER_NEED:
		FAIL("it needs %s", "nothing here");
	}
}

/* Until all have ended; how long it took, in seconds. */
static int run(void) {
	int64_t began = sim.ms;
	while (sim.ended < sim.n)
		turn();
	return (int)((sim.ms - began) / SECOND);
}

static void leave(void) {
	scheduler_free(&sim.c);
	chain_free(&sim.c.chain);
	request_free(&sim.q);
	free(sim.jobs);
	test_no_leaks();
}

/* ---- what is to be seen ------------------------------------------------- */

struct load {
	const char *name;
	double writes, reads; /* what the buckets hold at first */
	enum op_kind kind;
	int n;
	int64_t timeout; /* ms */
	int from, to;    /* s that it may take */
	int most_refused;
};

static const struct load loads[] = {
	/* 200 at once and 10 a second: 80 s are the limit */
	{ "a_thousand_writes_get_no_429", 200, 250, OP_UPDATE, 1000,
	  300 * SECOND, 79, 90, 0 },
	{ "few_writes_are_not_slowed_down", 200, 250, OP_UPDATE, 60,
	  300 * SECOND, 0, 0, 0 },
	/* somebody else has emptied it: one refusal tells, the rest wait */
	{ "an_empty_bucket_refuses_few", 0, 250, OP_UPDATE, 500, 300 * SECOND,
	  48, 75, MAX_IN_FLIGHT },
	/* each reads before it writes, and reads are faster: nobody's time may
	   run out in the line of the writes; 130 s are the limit */
	{ "reads_do_not_outrun_writes", 200, 250, OP_ENSURE, 1500, 30 * SECOND,
	  129, 150, 0 },
};

static void play(void **row) {
	const struct load *load = *row;
	const struct bucket *writes = &sim.buckets[RATE_WRITE];
	build(load->writes, load->reads);
	for (int i = 0; i < load->n; i++) {
		add(load->kind);
		sim.jobs[i].op.spec.timeout = load->timeout;
	}
	assert_int_in_range(run(), load->from, load->to);
	assert_int_equal(sim.failed, 0);
	assert_int_equal(sim.buckets[RATE_READ].refused, 0);
	assert_int_in_range(writes->refused, load->most_refused > 0,
	                    load->most_refused);
	assert_int_equal(writes->served, load->n);
	leave();
}

/* More are due than there are places for, about a thousand for 32 a second:
   each comes to its turn within a round, none is overtaken for ever. */
static void test_no_due_job_is_overtaken_forever(void **state) {
	(void)state;
	build(1e9, 1e9);
	sim.buckets[RATE_READ].size = sim.buckets[RATE_WRITE].size = 1e9;
	sim.busy_from = sim.ms + 4 * SECOND;
	sim.busy_until = sim.ms + 60 * SECOND;
	for (int i = 0; i < 2000; i++)
		add(OP_UPDATE);
	for (size_t i = 0; i < sim.n; i++) {
		sim.jobs[i].op.spec.timeout = 120 * SECOND;
		sim.jobs[i].op.poll.interval = SECOND;
	}
	run();
	assert_int_equal(sim.failed, 0);
	assert_int_in_range(sim.latest, 0, 35 * SECOND);
	leave();
}

/* Its own limit has room, though all places are taken by writes that theirs
   keeps back. */
static void test_a_read_passes_writes_that_are_held(void **state) {
	struct job *read;
	int64_t from;
	(void)state;
	build(0, 250);
	for (int i = 0; i < 200; i++)
		add(OP_UPDATE);
	while (sim.c.held[RATE_WRITE].n < MAX_IN_FLIGHT - 1)
		turn();
	for (int i = 0; i < 200; i++)
		add(OP_ENSURE); /* needs the limit of writes as well */
	read = &sim.jobs[sim.n];
	add(OP_GET);
	for (from = sim.ms; read->op.end == OP_WAIT; turn())
		assert_true(sim.ms - from <= 5 * LATENCY);
	assert_int_equal(read->op.end, OP_DONE);
	run();
	assert_int_equal(sim.failed, 0);
	leave();
}

/* ---- a service that keeps no promise ------------------------------------ */

static uint32_t drawn;

static uint32_t draw(uint32_t n) { /* below n */
	drawn ^= drawn << 13;
	drawn ^= drawn >> 17;
	drawn ^= drawn << 5;
	return drawn % n;
}

/* Any answer, some of them lost, with counters that are wrong at times. */
static void answer_anything(struct job *j) {
	static const char *const fields[RATE_KINDS] = { "reads", "writes",
		                                        "deletes" };
	enum rate_kind kind = kind_of(j);
	struct bucket *b = &sim.buckets[kind];
	bool fine = take(b);
	struct facts f = facts_resource(draw(3) ? "Succeeded" : "Updating",
	                                draw(2) ? "Pending" : "Approved");
	int statuses[] = { 503, 404, 202 };
	size_t which = draw(20);
	struct reply r;
	char head[200];
	snprintf(head, sizeof head,
	         "x-ms-ratelimit-remaining-subscription-%s: %d%s", fields[kind],
	         draw(4) ? (int)b->level : (int)draw(300),
	         !fine && draw(2) ? "\nRetry-After: 7" : "");
	if (!fine)
		f = facts_error("SubscriptionRequestsThrottled", "too many");
	else if (which < 2)
		f = facts_error("Some", "error");
	r = *reply_of(!fine                     ? 429
	              : which < COUNT(statuses) ? statuses[which]
	                                        : 200,
	              head, "{}");
	if (which == COUNT(statuses))
		r.error = NET_TIMEOUT;
	feed(j, &r, f);
}

/* To the next arrival, in any order, or to when the client wants to be
   asked. */
static void advance_anyhow(int64_t until) {
	size_t next = 0;
	int64_t arrival = NEVER;
	for (size_t i = 0; i < sim.n; i++) {
		if (sim.way[i] && sim.arrives[i] < arrival) {
			arrival = sim.arrives[i];
			next = i;
		}
	}
	if (until < arrival) {
		assert_true(until > sim.ms); /* or it would spin */
		sim.ms = until;
		return;
	}
	assert_true(arrival < NEVER); /* or it would wait for ever */
	sim.ms = arrival > sim.ms ? arrival : sim.ms;
	sim.way[next] = NULL;
	answer_anything(&sim.jobs[next]);
}

static void send_somewhere(struct job *j) {
	size_t at = (size_t)(j - sim.jobs), flying = 0;
	scheduler_sent(&sim.c, j, now_at(sim.ms));
	request_free(&sim.q);
	assert_true(sim.ms < j->op.deadline);
	sim.way[at] = j;
	sim.arrives[at] = sim.ms + 20 + draw(2000);
	if (draw(30) == 0)
		sim.arrives[at] += 1000 * SECOND;
	for (int kind = 0; kind < RATE_KINDS; kind++)
		flying += sim.c.in_flight[kind].n;
	assert_true(flying <= sim.c.max_in_flight);
}

static void end_in_time(struct job *j) {
	sim.way[j - sim.jobs] = NULL;
	assert_true(j->op.deadline >= sim.ms); /* NEVER: not begun */
	end(j);
	j->op.end = OP_DONE;
}

static void cancel_one(void) {
	struct job *j = &sim.jobs[draw((uint32_t)sim.n)];
	if (j->op.end == OP_WAIT)
		scheduler_cancel(&sim.c, j, "enough", now_at(sim.ms));
}

static void run_to_the_end(void) {
	int64_t until;
	struct job *j;
	while (sim.ended < sim.n) {
		switch (scheduler_next(&sim.c, now_at(sim.ms), &j, &sim.q,
		                       &until)) {
		case SCHEDULER_SEND:
		case SCHEDULER_WRITE:
			send_somewhere(j);
			break;
		case SCHEDULER_ENDED:
			end_in_time(j);
			break;
		case SCHEDULER_WAIT:
			if (draw(50) == 0)
				cancel_one();
			else
				advance_anyhow(until);
			break;
		case SCHEDULER_NEED:
			FAIL("it needs %s", "nothing here");
		}
	}
}

/* It never spins, never waits for nothing, lets no deadline pass unheard. */
static void
test_all_jobs_end_in_time_whatever_the_service_answers(void **state) {
	static const enum op_kind kinds[] = { OP_UPDATE, OP_DELETE, OP_ENSURE,
		                              OP_GET };
	(void)state;
	for (uint32_t seed = 1; seed <= 200; seed++) {
		uint32_t n;
		drawn = seed * 2654435761u | 1;
		build(draw(200), draw(250));
		sim.buckets[RATE_DELETE] =
			(struct bucket){ draw(200), 200, 10, sim.ms, 0, 0 };
		sim.c.max_in_flight = 1 + draw(64);
		n = 1 + draw(300);
		for (uint32_t i = 0; i < n; i++) {
			add(kinds[draw(COUNT(kinds))]);
			sim.jobs[i].op.spec.timeout = (1 + draw(99)) * SECOND;
		}
		run_to_the_end();
		leave();
	}
}

int main(void) {
	const struct CMUnitTest functions[] = {
		TEST(test_no_due_job_is_overtaken_forever),
		TEST(test_a_read_passes_writes_that_are_held),
		TEST(test_all_jobs_end_in_time_whatever_the_service_answers),
	};
	return RUN_TABLES(functions, COUNT(functions), TABLE(loads, play));
}
