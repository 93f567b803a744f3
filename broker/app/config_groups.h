#ifndef SLUICE_APP_CONFIG_GROUPS_H
#define SLUICE_APP_CONFIG_GROUPS_H

/* config_groups: the setting `groups`: an object with a member for each group that is there from the start,
 * by its name. */

#include "app/reading.h"
#include "app/settings.h"

/* Take the groups of @object into the config. 0, or -1 with faults. */
int config_groups_apply(const struct reading *r, const struct setting *s, const cJSON *object);

#endif
