"""What the chat does: the operations that an event leads to. chat.py and chat_group.py do it, in their ways."""
LIMITS = {"room": 64, "name": 64, "text": 2000}  # bytes


def to_room(room, event, **payload):
    here = {"filter": {"room": {"$arg": "room"}}, "args": {"room": room}}
    fill = {"online": here["filter"]} if event == "chat:presence" else None
    return {"op": "send", **here, "event": event, "payload": {"room": room, **payload}, "fill": fill}


def effects(event):  # what a client sends may be anything
    kind, conn, session, payload = (event.get(key) for key in ("event", "conn", "session", "payload"))
    said = {key: payload.get(key) for key in LIMITS} if isinstance(payload, dict) else {}
    said = {key: text for key, text in said.items() if isinstance(text, str) and 0 < len(text.encode()) <= LIMITS[key]}
    answer, here = {"op": "answer", "conn": conn, "i": event.get("i")}, (session or {}).get("room")
    if kind == "chat:join" and said.keys() >= {"room", "name"}:
        joined = {"room": said["room"], "name": said["name"]}
        ops = [{"op": "update", "conn": conn, "update": {"$set": joined}}, {**answer, "payload": joined}]
        ops += [to_room(room, "chat:presence") for room in {joined["room"], here or joined["room"]}]
    elif kind == "chat:say" and here and "text" in said:
        ops = [to_room(here, "chat:message", name=session["name"], text=said["text"], time_ms=event["time_ms"]), answer]
    elif kind in ("chat:leave", "@disconnect"):
        ops = [{"op": "update", "conn": conn, "update": {"$unset": {"room": True, "name": True}}}]
        ops += [*(to_room(room, "chat:presence") for room in [here] if room), answer]
    else:
        code = "bad_join" if kind == "chat:join" else "bad_text" if here else "not_in_a_room"
        ops = [{**answer, "error": {"code": code, "message": "join a room with a name, then say a text"}}]
    return [op for op in ops if op["op"] != "answer" or "i" in event]  # who did not ask gets no answer
