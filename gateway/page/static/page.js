"use strict";
// The page is whole without this. It fetches the same page again and puts the parts that have changed in place of the
// old ones. Nothing is drawn here, and no text becomes markup: the server has escaped it, and the policy of the page
// allows no script but this file.
const PERIOD_MS = 1000;
const SLOW_MS = 5000; // while nobody looks, or nobody answers

const pause = document.getElementById("pause");
const message = document.getElementById("message");
let timer = 0;
let paused = false;

function say(text) {
  if (message.textContent !== text) message.textContent = text;
  message.hidden = !text;
}

// New rows may show that they are new; on the first look all are.
function mark(before, after) {
  const known = new Set(Array.from(before.querySelectorAll("[data-key]"), (row) => row.dataset.key));
  if (!known.size) return;
  for (const row of after.querySelectorAll("[data-key]")) row.classList.toggle("new", !known.has(row.dataset.key));
}

async function refresh() {
  clearTimeout(timer);
  let period = document.hidden ? SLOW_MS : PERIOD_MS;
  try {
    const answer = await fetch(location.href, { cache: "no-cache" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const after of fresh.querySelectorAll("[data-part]")) {
      const before = document.querySelector(`[data-part="${after.dataset.part}"]`);
      if (!before || before.dataset.mark === after.dataset.mark) continue;
      mark(before, after);
      before.replaceChildren(...after.childNodes);
      before.dataset.mark = after.dataset.mark;
    }
    if (!paused) say("");
  } catch {
    period = SLOW_MS;
    if (!paused) say(message.dataset.gone);
  }
  if (!paused) timer = setTimeout(refresh, period);
}

pause.addEventListener("click", () => {
  paused = !paused;
  const word = pause.textContent;
  pause.textContent = pause.dataset.resume;
  pause.dataset.resume = word;
  say(paused ? message.dataset.paused : "");
  clearTimeout(timer);
  if (!paused) refresh();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) refresh(); });
pause.hidden = false;
timer = setTimeout(refresh, PERIOD_MS);
