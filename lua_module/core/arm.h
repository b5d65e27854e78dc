/*
 * arm.h -- Azure Resource Manager's addresses: the parts of a resource's id,
 * the rules for each part, and the URL they make.
 *
 * Rules: the REST description of Microsoft.Batch (BatchManagement.json,
 * 2022-06-01) and "Naming rules and restrictions for Azure resources".
 */
#ifndef AZPEC_ARM_H
#define AZPEC_ARM_H

#include "url.h"

struct arm_id {
	struct span subscription, group, account;
	struct span connection, link; /* at most one of these two */
};

/* NULL: the part is fine; otherwise what is expected of it. */
const char *arm_check_subscription(struct span s);
const char *arm_check_group(struct span s);
const char *arm_check_account(struct span s);
const char *
arm_check_connection(struct span s); /* a private link resource's too */
const char *arm_check_api_version(struct span s);
bool arm_is_guid(struct span s);

/* Takes "/subscriptions/.../privateEndpointConnections/NAME" apart, its fixed
   words in any letter case.  NULL: fine; otherwise what is wrong with it. */
const char *arm_parse_id(struct span id, struct arm_id *out);
/* The same for ".../batchAccounts/NAME". */
const char *arm_parse_account_id(struct span id, struct arm_id *out);
/* The id of what is named: as far as the parts are there. */
void arm_write_id(struct buf *out, const struct arm_id *id);
/* The same with each part percent-encoded, as a URL's path. */
void arm_write_path(struct buf *out, const struct arm_id *id);

#endif
