"use strict";
// Draws /state every two seconds. Everything is set as text, never as markup: names come from the air.
const words = {
  en: {
    other: "Deutsch", state: "State", destinations: "Destinations", nodes: "Signal per node", frames: "Live frames",
    ok: "All well", degraded: "Needs attention: see below", gone: "The gateway does not answer",
    up: "✓ up", down: "✗ down", holding: "… nobody listens",
    buffered: "Buffered frames", received: "Frames heard", last: "Last frame", clock: "Clock", spool: "Buffer used",
    uptime: "Running for", concentrators: "Concentrators", lost: "Given up",
    verified: "✓ synchronised", unverified: "✗ not synchronised", none: "none yet",
    name: "Name", status: "State", waiting: "Waiting", delivered: "Delivered", late: "of these late",
    node: "Node", signal: "Signal", count: "Frames", counter: "Counter", time: "Time", kind: "Kind", rate: "Data rate",
    frequency: "MHz", data: "data", join: "join", proprietary: "proprietary", confirmed: "confirmed",
    strong: "strong", good: "good", weak: "weak",
  },
  de: {
    other: "English", state: "Zustand", destinations: "Ziele", nodes: "Empfang je Knoten", frames: "Laufende Pakete",
    ok: "Alles in Ordnung", degraded: "Braucht Aufmerksamkeit: siehe unten", gone: "Das Gateway antwortet nicht",
    up: "✓ verbunden", down: "✗ getrennt", holding: "… niemand hört zu",
    buffered: "Gepufferte Pakete", received: "Gehörte Pakete", last: "Letztes Paket", clock: "Uhr", spool: "Puffer belegt",
    uptime: "Läuft seit", concentrators: "Konzentratoren", lost: "Aufgegeben",
    verified: "✓ synchron", unverified: "✗ nicht synchron", none: "noch keins",
    name: "Name", status: "Zustand", waiting: "Wartend", delivered: "Zugestellt", late: "davon verspätet",
    node: "Knoten", signal: "Empfang", count: "Pakete", counter: "Zähler", time: "Zeit", kind: "Art", rate: "Datenrate",
    frequency: "MHz", data: "Daten", join: "Beitritt", proprietary: "proprietär", confirmed: "bestätigt",
    strong: "stark", good: "gut", weak: "schwach",
  },
};
let language = (localStorage.getItem("language") || navigator.language || "en").startsWith("de") ? "de" : "en";
let latest = null;
const t = (key) => words[language][key] || key;
const number = (value, digits = 0) =>
  value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString(language);

function element(tag, content) {
  const made = document.createElement(tag);
  if (content instanceof Node) made.append(content); else made.textContent = content;
  return made;
}
function table(id, heads, rows) {
  const target = document.getElementById(id);
  const head = element("tr", "");
  heads.forEach((key) => { const th = element("th", t(key)); th.scope = "col"; head.append(th); });
  target.tHead.replaceChildren(head);
  target.tBodies[0].replaceChildren(...rows.map((cells) => {
    const row = element("tr", "");
    cells.forEach((cell) => row.append(element("td", cell)));
    return row;
  }));
}
function facts(pairs) {
  document.getElementById("state").replaceChildren(...pairs.map(([key, value]) => {
    const box = element("div", "");
    box.append(element("dt", t(key)), element("dd", value));
    return box;
  }));
}
// RSSI in words and figures as well as a bar: colour alone says nothing.
function signal(rssi, snr) {
  const box = element("span", "");
  const bar = document.createElement("meter");
  bar.min = -130; bar.max = -30; bar.value = rssi;
  const word = rssi > -90 && snr > 0 ? "strong" : rssi > -115 && snr > -10 ? "good" : "weak";
  box.append(bar, ` ${number(rssi)} dBm, ${number(snr, 1)} dB, ${t(word)}`);
  return box;
}
function span(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
  return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${seconds} s`;
}
function draw() {
  document.documentElement.lang = language;
  document.getElementById("language").textContent = t("other");
  document.querySelectorAll("[data-t]").forEach((one) => { one.textContent = t(one.dataset.t); });
  if (!latest) return;
  const { health, watch } = latest;
  document.getElementById("message").textContent = (health.status === "ok" ? "✓ " : "✗ ") + t(health.status);
  const spool = health.spool;
  facts([
    ["buffered", number(health.buffered)],
    ["received", number(health.received)],
    ["last", health.last_uplink ? clock(health.last_uplink) : t("none")],
    ["concentrators", health.gateways.join(", ") || t("none")],
    ["spool", `${number(spool.bytes / 1048576, 1)} / ${number(spool.max_bytes / 1048576)} MiB`],
    ["lost", number(spool.evicted + spool.expired)],
    ["clock", t(health.clock_verified ? "verified" : "unverified")],
    ["uptime", span(health.uptime_s)],
  ]);
  table("destinations", ["name", "status", "waiting", "delivered", "late"],
    Object.entries(health.destinations).map(([name, one]) =>
      [name, t(one.state), number(one.buffered), number(one.delivered), number(one.delivered_late)]));
  table("nodes", ["node", "signal", "count", "counter", "last"], watch.nodes.map((node) =>
    [node.name, signal(node.rssi, node.snr), number(node.frames), String(node.fcnt), clock(node.at)]));
  table("frames", ["time", "kind", "node", "counter", "rate", "frequency", "signal"], watch.frames.map((one) =>
    [clock(one.at), t(one.kind) + (one.confirmed ? `, ${t("confirmed")}` : ""), one.name, String(one.fcnt ?? ""), one.rate,
      number(one.mhz, 3), signal(one.rssi, one.snr)]));
}
async function refresh() {
  try {
    const answer = await fetch("state", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    latest = await answer.json();
    draw();
  } catch {
    document.getElementById("message").textContent = "✗ " + t("gone");
  }
  setTimeout(refresh, 2000);
}
document.getElementById("language").addEventListener("click", () => {
  language = language === "de" ? "en" : "de";
  localStorage.setItem("language", language);
  draw();
});
draw();
refresh();
