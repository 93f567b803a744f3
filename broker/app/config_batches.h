#ifndef SLUICE_APP_CONFIG_BATCHES_H
#define SLUICE_APP_CONFIG_BATCHES_H

/* config_batches: the setting `batches`: a list of objects with the arguments of the operation `batch`. */

#include "app/reading.h"
#include "app/settings.h"

/* Take the batches of @list into the config. 0, or -1 with faults. */
int config_batches_apply(const struct reading *r, const struct setting *s, const cJSON *list);

#endif
