#ifndef SLUICE_TESTS_UNIT_CLIENT_STEP_H
#define SLUICE_TESTS_UNIT_CLIENT_STEP_H

/* A client without a broker and a step to make values with. Include after cmocka.h. */

#include <sluice/sluice.h>

#include "client.h"

static sluice_client *the_client;
static sluice_event *step;

static int step_setup(void **state)
{
    (void)state;
    the_client = sluice_client_new("test", "1");
    step = sluice_begin(the_client);
    return step ? 0 : -1;
}

static int step_teardown(void **state)
{
    (void)state;
    sluice_client_free(the_client); /* with the step */
    return 0;
}

/* The step has not failed, and @value is @json. */
static inline void assert_value(const sluice_value *value, const char *json)
{
    if (!value)
        fail_msg("no value: %s", step->fault.message);
    assert_string_equal(sluice_to_json(value), json);
}

/* The operations that the step has queued, as a JSON list. */
static inline const char *queued_json(void)
{
    struct buf all = BUF_INIT;
    const char *json;

    mp_put_array(&all, step->op_count);
    buf_put(&all, step->ops.data, step->ops.len);
    json = sluice_to_json(value_copy(step, all.data, all.len, false));
    buf_deinit(&all);
    return json;
}

#endif
