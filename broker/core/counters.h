#ifndef SLUICE_CORE_COUNTERS_H
#define SLUICE_CORE_COUNTERS_H

/* counters: every number that the broker keeps about itself, in one table: name, unit, help. Raised where
 * the thing happens, on the loop's thread; shown by `stats`. Gauges are set, counters only rise. */

#include <stdint.h>

#define COUNTERS(X)                                                                                          \
    X(connections, GAUGE, "connections", "open now, those that are closing included")                        \
    X(connections_paused, GAUGE, "connections", "not read from now, because a group is full")                \
    X(connections_opened, COUNTER, "connections", "WebSocket handshakes completed")                          \
    X(connections_refused, COUNTER, "connections",                                                           \
      "refused before the handshake was complete (limits, bad requests, time)")                              \
    X(connections_closed, COUNTER, "connections", "ended, for whatever reason")                              \
    X(closed_slow, COUNTER, "connections", "closed with 3012, their queue was full or made no progress")     \
    X(closed_timeout, COUNTER, "connections", "closed with 3010, nothing came from them in time")            \
    X(messages_in, COUNTER, "messages", "complete messages from clients")                                    \
    X(bytes_in, COUNTER, "bytes", "payload bytes of WebSocket messages from clients")                        \
    X(messages_refused, COUNTER, "messages", "messages from clients that got an @error from the broker")     \
    X(messages_out, COUNTER, "messages", "messages written to clients")                                      \
    X(bytes_out, COUNTER, "bytes", "bytes of WebSocket frames written to clients")                           \
    X(messages_dropped, COUNTER, "messages", "queued for clients and dropped with their connection")         \
    X(questions, COUNTER, "questions", "asked by clients")                                                   \
    X(questions_answered, COUNTER, "questions", "answered by a handler")                                     \
    X(questions_timeout, COUNTER, "questions", "ended by the broker, nobody answered in time")               \
    X(questions_settled, COUNTER, "questions", "ended by the broker, all groups were done with the event")   \
    X(no_handler, COUNTER, "messages", "refused, nobody listens")                                            \
    X(events_published, COUNTER, "events", "published to subscribers")                                       \
    X(publishes, COUNTER, "messages", "nng messages published")                                              \
    X(names_forgotten, COUNTER, "names", "event names whose `seq` was given up to make room")                \
    X(subscriber_links, GAUGE, "links", "SUB links open now")                                                \
    X(subscriber_links_refused, COUNTER, "links", "SUB links refused, too many")                             \
    X(call_links, GAUGE, "links", "links to `calls` open now")                                               \
    X(call_links_ended, COUNTER, "links",                                                                    \
      "links to `calls` that the broker ended: too much waited or lay unsent there")                         \
    X(requests, COUNTER, "requests", "requests read from handlers")                                          \
    X(requests_refused, COUNTER, "requests", "requests refused as a whole")                                  \
    X(requests_repeated, COUNTER, "requests", "requests answered with their stored reply")                   \
    X(requests_waiting, GAUGE, "requests", "received by nng and not replied yet")                            \
    X(replies_evicted, COUNTER, "replies", "stored replies given up for room before their two minutes")      \
    X(operations, COUNTER, "operations", "operations of handlers run")                                       \
    X(operations_failed, COUNTER, "operations", "operations that ended with an error")                       \
    X(sessions_scanned, COUNTER, "sessions", "candidates of filters, from the index or from a scan")         \
    X(index_values, GAUGE, "values", "different values in indexed fields")                                   \
    X(index_entries, GAUGE, "entries", "connections in the postings of these values, added up")              \
    X(sessions_loose, GAUGE, "sessions",                                                                     \
      "not in the index for lack of memory or with too many values; candidates of every query")              \
    X(filters_compiled, COUNTER, "filters", "filters compiled")                                              \
    X(filters_reused, COUNTER, "filters", "filters found compiled")                                          \
    X(deliveries, COUNTER, "deliveries", "messages put into a connection's queue")                           \
    X(deliveries_refused, COUNTER, "deliveries", "messages that a connection's full queue refused")          \
    X(batch_items, COUNTER, "payloads", "payloads that went into batches")                                   \
    X(batch_items_replaced, COUNTER, "payloads", "payloads replaced by a newer one (keep: latest)")          \
    X(batches_out, COUNTER, "messages", "batch messages delivered")                                          \
    X(listener_restarts, COUNTER, "restarts", "IPC listeners that had died and were started again")

enum counter_kind { COUNTER_COUNTER, COUNTER_GAUGE };

struct counters {
#define X(name, kind, unit, help) uint64_t name;
    COUNTERS(X)
#undef X
};

/* One row of the table, for those who show it. */
struct counter_row {
    const char *name;
    const char *unit;
    const char *help;
    enum counter_kind kind;
    uint64_t value;
};

/* Number of rows, and the row @index of @counters. */
unsigned counters_count(void);
struct counter_row counters_row(const struct counters *counters, unsigned index);

#endif
