#include "bench/report.h"

#include <inttypes.h>

#include "bench/clock.h"
#include "bench/histogram.h"

/* One table for both forms. */
static const struct {
    const char *name;
    double fraction;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};

enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

static double us(uint64_t ns)
{
    return (double)ns / NS_PER_US;
}

double report_rate(const struct load_result *r)
{
    return r->span_ns == 0 ? 0.0 : (double)r->tally.measured * NS_PER_S / (double)r->span_ns;
}

double report_cpu_percent(const struct load_result *r)
{
    return r->wall_ns == 0 ? 0.0 : 100.0 * (double)r->cpu_ns / (double)r->wall_ns;
}

static void text_histogram(FILE *out, const char *title, const struct histogram *h)
{
    fprintf(out, "%-11s", title);
    for (size_t i = 0; i < QUANTILES; i++)
        fprintf(out, "%s %.1f us  ", quantiles[i].name, us(histogram_quantile(h, quantiles[i].fraction)));
    fprintf(out, "mean %.1f us\n", histogram_mean(h) / NS_PER_US);
}

void report_text(FILE *out, const struct load_options *o, const struct load_result *r)
{
    const struct tally *t = &r->tally;

    fprintf(out, "load       %u connections, ", o->connections);
    if (o->rate > 0)
        fprintf(out, "open loop, %g messages/s, at most %u in flight each", o->rate, o->window);
    else
        fprintf(out, "closed loop, %u in flight each", o->window);
    if (o->messages > 0)
        fprintf(out, ", %u messages each", o->messages);
    if (o->is_cast)
        fprintf(out, ", one sends and all get it");
    fprintf(out, ", %zu-byte payloads of '%s'%s\n", o->message.payload_bytes, o->message.event,
            o->message.is_question ? ", as questions" : "");
    fprintf(out, "connected  in %.1f ms\n", us(r->connect_ns) / 1000);
    fprintf(out, "echoes     %.0f/s (%" PRIu64 " in %.2f s)\n", report_rate(r), t->measured,
            (double)r->span_ns / NS_PER_S);
    text_histogram(out, "latency", &t->latency);
    if (o->rate > 0)
        text_histogram(out, "sent late", &t->lateness);
    fprintf(out, "own CPU    %.1f %% of one\n", report_cpu_percent(r));
    fprintf(out,
            "checks     %s: %" PRIu64 " wrong, %" PRIu64 " out of order, %" PRIu64 " unexpected, %" PRIu64
            " errors, %" PRIu64 " missing, %" PRIu64 " connections lost\n",
            tally_failures(t) == 0 ? "passed" : "FAILED", t->wrong, t->misordered, t->unexpected, t->errors,
            t->missing, t->lost);
    if (t->first_problem[0] != '\0')
        fprintf(out, "first      %s\n", t->first_problem);
}

/* @text is printable ASCII, or UTF-8 of the command line's. */
static void json_text(struct buf *out, const char *text)
{
    buf_put_byte(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_put_byte(out, '\\');
        if ((unsigned char)*c < 0x20)
            buf_printf(out, "\\u%04x", *c);
        else
            buf_put_byte(out, (uint8_t)*c);
    }
    buf_put_byte(out, '"');
}

static void json_histogram(struct buf *out, const char *name, const struct histogram *h)
{
    buf_printf(out, ",\n  \"%s\": {\"count\": %" PRIu64 ", \"mean\": %.3f, \"min\": %.3f", name, h->count,
               histogram_mean(h) / NS_PER_US, h->count == 0 ? 0.0 : us(h->min));
    for (size_t i = 0; i < QUANTILES; i++)
        buf_printf(out, ", \"%s\": %.3f", quantiles[i].name,
                   us(histogram_quantile(h, quantiles[i].fraction)));
    buf_put_text(out, "}");
}

static void json_options(struct buf *out, const struct load_options *o)
{
    buf_printf(out, "\"connections\": %u, \"in_flight\": %u, \"rate\": %.3f, ", o->connections, o->window,
               o->rate);
    buf_printf(out,
               "\"payload_bytes\": %zu, \"text\": \"%s\", \"question\": %s, \"chop_bytes\": %u, "
               "\"messages\": %u, \"cast\": %s, ",
               o->message.payload_bytes, o->message.filler == MESSAGE_MIXED ? "mixed" : "plain",
               o->message.is_question ? "true" : "false", o->chop_bytes, o->messages,
               o->is_cast ? "true" : "false");
    buf_printf(out, "\"warmup_s\": %.3f, \"duration_s\": %.3f, \"event\": ", (double)o->warmup_ns / NS_PER_S,
               (double)o->duration_ns / NS_PER_S);
    json_text(out, o->message.event);
    buf_put_text(out, ", \"subprotocol\": ");
    if (o->subprotocol)
        json_text(out, o->subprotocol);
    else
        buf_put_text(out, "null");
}

void report_json(struct buf *out, const struct load_options *o, const struct load_result *r)
{
    const struct tally *t = &r->tally;

    buf_put_text(out, "{\n  \"options\": {");
    json_options(out, o);
    buf_printf(out, "},\n  \"echoes_per_s\": %.3f, \"measured\": %" PRIu64 ", \"connect_ms\": %.3f, ",
               report_rate(r), t->measured, us(r->connect_ns) / 1000);
    buf_printf(out, "\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"own_cpu_percent\": %.3f", t->sent,
               t->received, report_cpu_percent(r));
    json_histogram(out, "latency_us", &t->latency);
    json_histogram(out, "sent_late_us", &t->lateness);
    buf_printf(out,
               ",\n  \"failures\": {\"wrong\": %" PRIu64 ", \"misordered\": %" PRIu64
               ", \"unexpected\": %" PRIu64 ", \"errors\": %" PRIu64 ", \"missing\": %" PRIu64
               ", \"lost\": %" PRIu64 "},\n",
               t->wrong, t->misordered, t->unexpected, t->errors, t->missing, t->lost);
    buf_put_text(out, "  \"first_problem\": ");
    json_text(out, t->first_problem);
    buf_put_text(out, "\n}\n");
}
