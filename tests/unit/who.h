/* who.h -- one credential, for tests that need no chain. */
#ifndef AZPEC_WHO_H
#define AZPEC_WHO_H

#include "support.h"

#include "core/flow.h"

struct who {
	const struct flow *flow;
	struct span authority, tenant_id, client_id, secret, scope;
};

static inline bool who_init(struct signin *s, const struct who *who) {
	struct signin_spec spec = { .flow = who->flow };
	spec.value[SV_TENANT] = who->tenant_id;
	spec.value[SV_CLIENT] = who->client_id;
	spec.value[SV_SECRET] = who->secret;
	return signin_init(s, test_mem(), &spec, 1, who->authority, who->scope,
	                   1);
}

/* The driver's part of a NEED_TOKEN. */
static inline void who_give(struct signin *s, struct span token,
                            int64_t expires_on, struct now now) {
	signin_sent(s, now);
	signin_give(s, token, expires_on, now);
}

static inline void who_refuse(struct signin *s, struct span why,
                              struct now now) {
	signin_sent(s, now);
	signin_fail_need(s, why, false, now);
}

#endif
