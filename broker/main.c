/* sluiced: the broker. */

#include <stdio.h>

#include "app/app.h"
#include "app/config.h"
#include "app/options.h"

static int run(const struct config *config)
{
    if (config->wants_help) {
        options_help(stdout);
        return 0;
    }
    if (config->wants_version) {
        puts("sluiced " SLUICE_VERSION);
        return 0;
    }
    if (!config->wants_check)
        return app_run(config);
    int result = app_check(config);
    if (result == 0)
        puts("sluiced: command line and config file are fine");
    return result;
}

int main(int argc, char **argv)
{
    struct config config;
    int result;
    config_init(&config);
    if (config_load(&config, argc, argv) == 0) {
        result = run(&config);
    } else {
        fwrite(config.faults.data, 1, config.faults.len, stderr);
        result = config_exit_code(&config);
    }
    config_deinit(&config);
    return result;
}
