"use strict";

/* The page's half of the chat: plain WebSocket, subprotocol sluice.v1.json (docs/protocol-websocket.md). */

const MESSAGES_MAX = 500;
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15000;
const JOIN_AGAIN_MS = 1000;
const ASK_TIMEOUT_MS = 35000; /* the broker answers every question within 30 s */

const at = (id) => document.getElementById(id);
let socket = null;
let joined = null; /* {room, name}: to join again after a reconnect */
let attempts = 0;
let batchPrefix = "batch_";
let lastId = 0;
const questions = new Map(); /* i: {resolve, reject, timer} */

/* ---- What is shown. Everything that came from people goes in as text, never as HTML. ---- */

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function append(node) {
  const list = at("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(node);
  while (list.children.length > MESSAGES_MAX) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function showNote(text, isError) {
  append(element("li", isError ? "note error" : "note", text));
}

function showMessage(message) {
  if (!joined || message.room !== joined.room) return;
  const item = element("li", message.name === joined.name ? "message mine" : "message");
  const who = element("div", "who");
  const time = new Date(message.time_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  who.append(element("b", "", String(message.name)), element("span", "", time));
  item.append(who, element("p", "what", String(message.text)));
  append(item);
}

function showStatus(state, text) {
  at("status").dataset.state = state;
  at("status").textContent = text;
  const canWrite = state === "open" && joined !== null;
  at("text").disabled = at("send").disabled = !canWrite;
  at("join").disabled = state !== "open";
  at("text").placeholder = canWrite ? `Message to ${joined.room}` : "Join a room to write";
}

/* ---- Messages ---- */

function send(message) {
  socket.send(JSON.stringify(message));
}

/* A question; its one answer resolves or rejects. */
function ask(event, payload) {
  return new Promise((resolve, reject) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      reject(new Error("not connected"));
      return;
    }
    const i = ++lastId;
    const timer = setTimeout(() => settle(i, (question) => question.reject(new Error("no answer"))), ASK_TIMEOUT_MS);
    questions.set(i, { resolve, reject, timer });
    send({ e: event, p: payload, i });
  });
}

function settle(i, how) {
  const question = questions.get(i);
  if (!question) return;
  questions.delete(i);
  clearTimeout(question.timer);
  how(question);
}

function onPush(event, payload) {
  if (event.startsWith(batchPrefix)) {
    for (const one of payload.d) onPush(event.slice(batchPrefix.length), one);
  } else if (event === "chat:message") {
    showMessage(payload);
  } else if (event === "chat:presence") {
    if (joined && payload.room === joined.room) at("count").textContent = String(payload.online);
  } else if (event === "@welcome") {
    batchPrefix = payload.batch_prefix;
  } else if (event === "@error") {
    showNote(payload.message, true);
  }
}

function onMessage(data) {
  const message = JSON.parse(data);
  if (message.i === undefined) {
    onPush(message.e, message.p);
  } else if (message.e === "@error") {
    const error = Object.assign(new Error(message.p.message || message.p.code), { temporary: message.p.temporary });
    settle(message.i, (question) => question.reject(error));
  } else {
    settle(message.i, (question) => question.resolve(message.p));
  }
}

/* @again: after a reconnect. Then the handler may still be on its way, too: what is temporary is tried again. */
async function join(room, name, again = false) {
  const mine = socket;
  joined = { room, name }; /* the first presence may come before the answer */
  try {
    await ask("chat:join", joined);
    showStatus("open", "connected");
    showNote(`You are ${name} in ${room}`);
    at("text").focus();
  } catch (error) {
    if (socket !== mine || mine.readyState !== WebSocket.OPEN) return; /* onopen joins again */
    if (again && error.temporary) {
      setTimeout(() => socket === mine && join(room, name, true), JOIN_AGAIN_MS);
      return;
    }
    joined = null;
    showStatus("open", "connected");
    showNote(`Could not join: ${error.message}`, true);
  }
}

/* ---- The connection ---- */

/* Codes tell whether to come back: 3000-3499 and 4000-4499 do, 3500-3999 and 4500-4999 do not. Of the standard ones, those
 * that say 'you did something wrong' do not, nor does a normal end. */
function mayReconnect(code) {
  if (code >= 3000) return code % 1000 < 500;
  return ![1000, 1002, 1003, 1007, 1008, 1009, 1010].includes(code);
}

function dropQuestions() {
  for (const i of [...questions.keys()]) settle(i, (question) => question.reject(new Error("connection lost")));
}

function onClose(event) {
  dropQuestions();
  at("count").textContent = "0";
  if (!mayReconnect(event.code)) {
    showStatus("closed", `closed: ${event.reason || event.code}`);
    return;
  }
  /* Full jitter: not everybody comes back at once. */
  const limit = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** attempts++);
  const wait = BACKOFF_MIN_MS / 2 + Math.random() * limit;
  showStatus("waiting", `connecting again in ${Math.ceil(wait / 1000)} s`);
  setTimeout(connect, wait);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  showStatus("connecting", "connecting");
  socket = new WebSocket(`${scheme}://${location.host}/ws`, ["sluice.v1.json"]);
  socket.onopen = () => {
    attempts = 0;
    showStatus("open", "connected");
    if (joined) join(joined.room, joined.name, true);
  };
  socket.onmessage = (event) => onMessage(event.data);
  socket.onclose = onClose;
}

at("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  const room = at("room").value.trim();
  const name = at("name").value.trim();
  if (room && name) join(room, name);
});

at("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text) return;
  at("text").value = "";
  ask("chat:say", { text }).catch((error) => {
    showNote(`Not sent: ${error.message}`, true);
    if (!at("text").value) at("text").value = text;
  });
});

connect();
