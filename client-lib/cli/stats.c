/* sluice stats: what the broker counts, as a table. */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

/* Each pair on a line; maps inside as name.name. */
static void print_pairs(const sluice_value *map, const char *prefix)
{
    char name[256];

    for (size_t i = 0; i < sluice_size(map); i++) {
        const sluice_value *value = sluice_item(map, i);
        const char *key = sluice_key(map, i);
        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key ? key : "?");
        if (sluice_get_type(value, "") == SLUICE_MAP) {
            print_pairs(value, name);
        } else {
            const char *text = sluice_get_str(value, "", NULL);
            printf("%-40s %20s\n", name, text ? text : sluice_to_json(value));
        }
    }
}

int cli_stats(sluice_client *client)
{
    const sluice_value *result = NULL;
    sluice_event *step = sluice_begin(client);
    int status = CLI_OK;

    if (sluice_call(step, sluice_doc(step, "{op: 'stats'}"), &result) < 0) {
        status = cli_fault(client);
    } else {
        print_pairs(sluice_get_value(result, "broker"), "");
        print_pairs(sluice_get_value(result, "counters"), "");
        cli_print_groups(result);
    }
    sluice_cancel(step);
    return status;
}
