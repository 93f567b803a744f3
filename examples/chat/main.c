/* sluice-chat: rooms, names and who is there. The page in public/ is its other half; README.md has the
 * messages. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <sluice/sluice.h>

#define NAME_MAX_BYTES 64
#define TEXT_MAX_BYTES 2000

/* The payload's @key, if it is a string of 1 to @max bytes; else NULL. Whatever a client sends, this is all
 * that is asked of it. */
static const char *text_of(sluice_event *event, const char *key, size_t max)
{
    const char *text = sluice_get_str(sluice_event_payload(event), key, NULL);

    return text && *text && strlen(text) <= max ? text : NULL;
}

/* The room that the connection is in, or NULL. */
static const char *room_of(sluice_event *event)
{
    return sluice_get_str(sluice_event_session(event), "room", NULL);
}

/* Tell everybody in @room how many they are; the broker counts when it sends. */
static int send_presence(sluice_event *event, const char *room)
{
    return sluice_send_where(event, sluice_doc(event, "{room: %s}", room), "chat:presence",
                             sluice_doc(event, "{room: %s}", room),
                             sluice_doc(event, "{fill: {online: {room: %s}}}", room));
}

static int on_join(sluice_event *event, void *arg)
{
    const char *conn = sluice_event_conn(event), *before = room_of(event);
    const char *room = text_of(event, "room", NAME_MAX_BYTES), *name = text_of(event, "name", NAME_MAX_BYTES);

    (void)arg;
    if (!room || !name)
        return sluice_refuse(event, "bad_join", "room and name are texts of 1 to 64 bytes", NULL);
    sluice_update(event, conn, sluice_doc(event, "{$set: {room: %s, name: %s}}", room, name), NULL);
    sluice_answer(event, sluice_doc(event, "{room: %s, name: %s}", room, name), NULL);
    if (before && strcmp(before, room) != 0)
        send_presence(event, before);
    return send_presence(event, room);
}

static int on_say(sluice_event *event, void *arg)
{
    const char *room = room_of(event), *text = text_of(event, "text", TEXT_MAX_BYTES);
    const char *name = sluice_get_str(sluice_event_session(event), "name", NULL);

    (void)arg;
    if (!room || !name)
        return sluice_refuse(event, "not_in_a_room", "join a room first", NULL);
    if (!text)
        return sluice_refuse(event, "bad_text", "text is a text of 1 to 2000 bytes", NULL);
    sluice_send_where(event, sluice_doc(event, "{room: %s}", room), "chat:message",
                      sluice_doc(event, "{room: %s, name: %s, text: %s, time_ms: %lld}", room, name, text,
                                 (long long)sluice_event_time_ms(event)),
                      NULL);
    return sluice_answer(event, NULL, NULL);
}

static int on_leave(sluice_event *event, void *arg)
{
    const char *room = room_of(event);

    (void)arg;
    if (room) {
        sluice_update(event, sluice_event_conn(event),
                      sluice_doc(event, "{$unset: {room: true, name: true}}"), NULL);
        send_presence(event, room);
    }
    return sluice_answer(event, NULL, NULL);
}

/* The connection is out of the filters by now, so it is not counted. */
static int on_disconnect(sluice_event *event, void *arg)
{
    const char *room = room_of(event);

    (void)arg;
    return room ? send_presence(event, room) : 0;
}

/* Every copy of this program is a member of the same group: they share the work, and each event is handled
 * once. */
static int subscribe(sluice_client *client, const char *group)
{
    static const struct {
        const char *event;
        sluice_handler_fn *fn;
    } handlers[] = {{"chat:join", on_join},
                    {"chat:say", on_say},
                    {"chat:leave", on_leave},
                    {"@disconnect", on_disconnect}};
    int rc = 0;

    for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]) && rc == 0; i++)
        rc = sluice_subscribe(client, handlers[i].event, handlers[i].fn, NULL,
                              "{group: %s, session_keys: ['room', 'name']}", group);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
                                            {"group", required_argument, NULL, 'g'},
                                            {NULL, 0, NULL, 0}};
    const char *broker = NULL, *group = "chat";
    sluice_client *client;
    int option, rc;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') {
            fprintf(stderr, "Usage: %s [--broker ADDRESS] [--group NAME]\n", argv[0]);
            return 2;
        }
        *(option == 'b' ? &broker : &group) = optarg;
    }
    client = sluice_client_new("sluice-chat", sluice_version());
    if ((rc = sluice_connect(client, broker)) == 0 && (rc = subscribe(client, group)) == 0 &&
        (rc = sluice_stop_on_signals(client)) == 0)
        rc = sluice_run(client);
    if (rc < 0)
        fprintf(stderr, "sluice-chat: %s\n", sluice_fault_message(sluice_client_fault(client)));
    sluice_client_free(client);
    return rc < 0;
}
