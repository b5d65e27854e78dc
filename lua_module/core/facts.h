/*
 * facts.h -- the few things the machines ask of a reply's JSON body.  Whoever
 * decoded the body fills it; the spans live as long as that decoded value.
 */
#ifndef AZPEC_FACTS_H
#define AZPEC_FACTS_H

#include "buf.h"

/* Numbers are below this, so that seconds may become milliseconds. */
#define FACTS_MAX INT64_C(1000000000000000)

struct facts {
	bool json;   /* the body is one JSON object */
	bool broken; /* the body is there and is no JSON */

	/* an error in any of the shapes Azure is known to send */
	bool error;
	struct span code, message, target;

	/* status monitor and resource */
	bool odd_status;    /* a `status` that is no string */
	struct span status; /* the monitor's word */
	int percent;        /* percentComplete; -1: not there */
	bool resource;      /* has `properties`, or an id and a name */
	struct span provisioning_state;
	struct span etag;

	/* properties.privateLinkServiceConnectionState */
	struct span connection_status, description, action_required;

	/* a page */
	bool page;       /* has a `value` array */
	bool empty_page; /* with nothing in it */
	struct span next_link;

	/* the token endpoint */
	struct span access_token, refresh_token;
	int64_t expires_in, expires_on, refresh_in; /* s; -1: not there */
	struct span oauth_error, trace_id, correlation_id, timestamp;
	struct span expires_text; /* expires_on or expiresOn, when a text */

	/* a cloud's metadata: of the endpoint's own cloud; the audience that
	   is the endpoint, or the first */
	struct span login_endpoint, identity_provider, audience;

	/* the device authorization endpoint */
	struct span device_code, user_code, verification_uri, prompt;
	int64_t interval; /* s; -1: not there */
};

#define NO_FACTS                                                               \
	((struct facts){ .percent = -1,                                        \
	                 .expires_in = -1,                                     \
	                 .expires_on = -1,                                     \
	                 .refresh_in = -1,                                     \
	                 .interval = -1 })

#endif
