/*
 * arm.h -- resource ids of Azure Resource Manager: their parts, the rules of
 * each part, and the URL path that they make.
 *
 * Rules: the REST API description of Microsoft.Batch (BatchManagement.json,
 * 2022-06-01) and "Naming rules and restrictions for Azure resources".
 */
#ifndef AZPEC_ARM_H
#define AZPEC_ARM_H

#include "core/url.h"

struct arm_id {
	struct span subscription, group, account;
	struct span connection, link; /* at most one of these two */
};

/* NULL: the part is valid; otherwise a text that says what is expected. */
const char *arm_check_subscription(struct span s);
const char *arm_check_group(struct span s);
const char *arm_check_account(struct span s);
const char *
arm_check_connection(struct span s); /* a private link resource's too */
const char *arm_check_api_version(struct span s);
bool arm_is_guid(struct span s);

/* Parses "/subscriptions/.../privateEndpointConnections/NAME"; the fixed words
   in any letter case.  NULL: valid; otherwise what is wrong with it. */
const char *arm_parse_id(struct span id, struct arm_id *out);
/* The same for ".../batchAccounts/NAME". */
const char *arm_parse_account_id(struct span id, struct arm_id *out);
/* Writes the id, up to the first absent part. */
void arm_write_id(struct buf *out, const struct arm_id *id);
/* Writes the id with each part percent-encoded, as a URL path. */
void arm_write_path(struct buf *out, const struct arm_id *id);
/* Writes the body of a PATCH: the requested state, without the members that are
   absent. */
void arm_write_state(struct buf *out, struct span api_version,
                     struct span status, struct span description,
                     struct span action_required);

#endif
