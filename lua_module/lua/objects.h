/*
 * objects.h -- the userdata behind azpec.client and its pollers.  A client owns
 * the descriptor, the transfers and the sign-in.  A poller is one operation;
 * its client keeps it alive until its outcome was collected.
 */
#ifndef AZPEC_OBJECTS_H
#define AZPEC_OBJECTS_H

#include <lua.h>

#include "io/keyring.h"
#include "io/process.h"
#include "core/scheduler.h"
#include "io/curlio.h"
#include "lua/options.h"
#include "lua/random.h"
#include "io/pollset.h"

#define CLIENT_TYPE "azpec.client"
#define POLLER_TYPE "azpec.poller"

enum { MAX_ORIGINS = 16, CACHE_NAME = 77 };

/* User values of a client. */
enum {
	CUV_POLLERS = 1, /* the pollers, by luaL_ref */
	CUV_CODEC,       /* the client's instance of lua-cjson */
	CUV_WAIT,        /* the waiter function; nil: block */
	CUV_EVENT,       /* on_event, or nil */
	CUV_WRITE,       /* before_write, or nil */
	CUV_TOKEN_KEY,   /* the key that signs continuation tokens, or nil */
	CUV_LINKS,       /* the fields of each link's credential */
	CUV_ANCHOR,      /* strings that C points to */
	CUV_POOL,        /* the Lua state's pool of descriptors */
	CUV_COUNT = CUV_POOL
};

/* The first user value of every object that belongs to a client. */
enum { UV_CLIENT = 1 };

/* User values of a poller. */
enum {
	PUV_WAIT = UV_CLIENT + 1, /* this call's waiter function, or nil */
	PUV_OUTCOME, /* the connection or the page; of a failure the service's
	                error body, then the err table once it was made
	                (has_error) */
	PUV_LINKS,   /* of a failed sign-in: the links' outcomes */
	PUV_RAISED,  /* the error of on_event, until it is raised */
	PUV_COUNT = PUV_RAISED,
	PUV_BEFORE, /* ensure only: the connection as it was found */
	PUV_ENSURE_COUNT = PUV_BEFORE
};

struct poller;
struct client;

/* A condition that calls wait for at the client's descriptor. */
struct condition {
	struct client *client;
	/* True when the condition holds. of: the object that it is about. */
	bool (*holds)(const void *of);
	const void *of;
	uint32_t armed; /* number of calls that wait */
	uint32_t epoch; /* the client's epoch in which they were counted */
	bool signalled; /* counted in client->wakeups */
};

/* The time at which a call stops waiting. */
struct limit {
	struct queue_link link; /* in client->limited, until it is late */
	int64_t at;             /* ms of the monotonic clock */
	bool late;              /* it has passed; counted in client->wakeups */
};

/* One waiting call. */
struct waiter {
	struct condition *on;
	struct limit *limit; /* NULL: none */
	uint32_t epoch;      /* the client's epoch in which it was armed */
	bool armed;
};

/* Pollers whose outcome is to be collected. */
struct completion_queue {
	struct queue ended;         /* those that have ended, in order */
	size_t left;                /* number of all, ended or not */
	struct condition condition; /* signalled when the next one ends */
	bool looped;                /* a loop hands them out */
};

/* Of a client that shares its tokens with other processes. */
struct token_cache {
	char name[CACHE_NAME]; /* of the record of the fetch that has begun */
	keyring_id found;      /* its key; 0: none */
	bool refused;          /* it cannot be used */
};

struct client {
	struct mem mem;
	struct scheduler core;
	struct pollset_pool *pool;
	struct pollset *ps;
	struct curlio *io;
	struct process *child; /* the program that the sign-in waits for, or
	                          NULL */
	struct token_cache cache;
	struct url origins[MAX_ORIGINS];
	struct op_defaults defaults;
	struct span retry_codes;        /* anchored in CUV_ANCHOR */
	struct curlio_config io_config; /* strings anchored in CUV_ANCHOR */
	struct request request;         /* scratch: the next request to be
	                                   sent */
	struct random_reserve random;   /* for the ids of requests and spans */
	struct buf url, id, query;      /* scratch buffers of one call */
	uint32_t builds;                /* how often they were filled */
	struct completion_queue completions; /* pollers in no loop over a
	                                        table */
	struct queue limited;                /* limits of waiters */
	int64_t limit;                       /* the earliest of these limits */
	int64_t due;    /* what the descriptor's timer is set to */
	uint64_t steps; /* number of steps so far */
	uint32_t epoch; /* waiters of another epoch are not counted */
	size_t armed;   /* number of calls that wait */
	size_t wakeups; /* signalled conditions and late waiters */
	int pid;        /* the process that may use the client */
	bool open;
	bool busy; /* a function of the host is running */
};

struct poller {
	struct job job; /* first, so that a job's address is its poller's */
	struct client *client;
	int ref;           /* in the client's list of pollers; LUA_NOREF */
	bool linked;       /* in the scheduler */
	bool concluded;    /* its end was reported, see loop_conclude */
	bool has_error;    /* PUV_OUTCOME is the err table */
	const void *owner; /* the blocking call that it belongs to; NULL */
	struct completion_queue
		*completions;       /* where it can be collected; NULL */
	struct condition condition; /* its end */
	struct waiter guest;        /* armed by pollfd(), disarmed by step() */
};

/* Returns the client at idx, which azpec's own code has put there. */
static inline struct client *client_at(lua_State *L, int idx) {
	return lua_touserdata(L, idx);
}

static inline struct poller *poller_at(lua_State *L, int idx) {
	return lua_touserdata(L, idx);
}

static inline bool poller_ended(const struct poller *p) {
	return p->job.op.end != OP_WAIT;
}

#endif
