/* wsload: a WebSocket load generator. See --help; what it does is in load.h and conn.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "bench/load.h"
#include "bench/options.h"
#include "bench/report.h"

enum { EXIT_RIGHT = 0, EXIT_WRONG = 1, EXIT_USAGE = 2, EXIT_NO_CONNECTION = 3 };

static bool write_json(const char *path, const struct load_options *o, const struct load_result *r)
{
    bool to_stdout = strcmp(path, "-") == 0, is_written;
    struct buf text = BUF_INIT;
    FILE *file;

    report_json(&text, o, r);
    file = to_stdout ? stdout : fopen(path, "w");
    is_written = file && !text.failed && fwrite(text.data, 1, text.len, file) == text.len;
    if (file && (to_stdout ? fflush(file) : fclose(file)) != 0)
        is_written = false;
    buf_deinit(&text);
    if (!is_written)
        fprintf(stderr, "wsload: cannot write %s: %s\n", path, strerror(errno));
    return is_written;
}

int main(int argc, char **argv)
{
    static struct load_result result; /* 70 KiB of histograms */
    struct options options;
    int error = options_read(&options, argc, argv);

    if (error == OPTIONS_E_DONE)
        return EXIT_RIGHT;
    if (error < 0)
        return EXIT_USAGE;
    prctl(PR_SET_TIMERSLACK, 1UL); /* an open loop sends on time, not up to 50 us later */
    error = load_run(&options.load, &result);
    if (error < 0) {
        fprintf(stderr, "wsload: %s:%s: %s\n", options.load.host, options.load.port,
                result.tally.first_problem[0] ? result.tally.first_problem : strerror(-error));
        return EXIT_NO_CONNECTION;
    }
    if (options.json_path == NULL || strcmp(options.json_path, "-") != 0)
        report_text(stdout, &options.load, &result);
    if (options.json_path && !write_json(options.json_path, &options.load, &result))
        return EXIT_WRONG;
    return tally_failures(&result.tally) == 0 ? EXIT_RIGHT : EXIT_WRONG;
}
