// Saves reloads and keystrokes. Every page reads, and every form works, without it.
(() => {
  "use strict";
  const all = (selector, within = document) => within.querySelectorAll(selector);

  // Times in the reader's zone; the title keeps the UTC time.
  const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
  const two = (number) => String(number).padStart(2, "0");
  function localize(within) {
    for (const time of all("time[data-local]", within)) {
      const at = new Date(time.dateTime);
      const year = at.getFullYear() === new Date().getFullYear() ? "" : ` ${at.getFullYear()}`;
      time.textContent = `${at.getDate()} ${months[at.getMonth()]}${year}, ${two(at.getHours())}:${two(at.getMinutes())}`;
    }
    for (const text of all("text[data-at]", within)) {
      const at = new Date(text.dataset.at);
      text.textContent = text.dataset.unit === "day" ? `${at.getDate()} ${months[at.getMonth()]}` : `${two(at.getHours())}:${two(at.getMinutes())}`;
    }
    for (const button of all("[data-copy]", within)) button.hidden = !navigator.clipboard;
    for (const one of all("[data-script]", within)) one.hidden = false;
    for (const bar of all("[data-checked]", within)) followChecked(bar);
  }

  // Copy buttons name the element whose text they copy.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    const words = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = words; }, 2000);
  });

  // A form that changes something is sent once, and says that it is under way.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    const button = event.submitter;
    if (!button) return;
    const began = Date.now();
    const words = button.dataset.busy || button.textContent;
    const wait = () => {
      const seconds = Math.round((Date.now() - began) / 1000);
      button.disabled = true;
      button.textContent = seconds ? `${words} ${seconds} s` : words;
    };
    setTimeout(wait); // after the browser has read which button was pressed
    const timer = setInterval(wait, 1000);
    addEventListener("pageshow", (shown) => {
      if (!shown.persisted) return;
      clearInterval(timer);
      button.disabled = false;
    });
  });

  // A bar at the foot of a table, for two to five rows that are checked.
  function followChecked(bar) {
    const checked = all("tbody :checked", bar.closest("form")).length;
    bar.hidden = checked < 2;
    bar.querySelector("button").disabled = checked > 5;
  }
  document.addEventListener("change", (event) => {
    const bar = event.target.form?.querySelector("[data-checked]");
    if (bar) followChecked(bar);
  });

  // Selects that send their form at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
    // A time that is typed is in the reader's zone.
    const zone = event.target.type === "datetime-local" && event.target.form.elements.zone;
    if (zone) zone.value = new Date(event.target.value).getTimezoneOffset();
  });

  // The words of a mark in a chart, next to the pointer.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest?.("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    document.body.append(tip);
    const { left, top, width } = mark.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(left + width / 2 - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, top - tip.offsetHeight - 6)}px`;
  });

  // Fragments with hx-trigger="tick from:body" ask again every 10 s, and every 2 s after a change.
  let failures = 0;
  let reached = new Date();
  let last = Date.now();
  const loaded = Date.now();
  const urgent = () => "changed" in document.documentElement.dataset && Date.now() - loaded < 60000;
  const tick = () => {
    if (document.hidden) return;
    last = Date.now();
    document.body.dispatchEvent(new CustomEvent("tick"));
  };
  setInterval(() => { if (Date.now() - last >= (urgent() ? 2000 : 10000)) tick(); }, 1000);
  addEventListener("focus", () => { if (Date.now() - last > 2000) tick(); });
  const strip = document.getElementById("unreachable");
  function reachable(yes) {
    failures = yes ? 0 : failures + 1;
    if (yes) reached = new Date();
    const gone = failures >= 3;
    strip.hidden = !gone;
    strip.textContent = gone ? `Not reached since ${two(reached.getHours())}:${two(reached.getMinutes())}` : "";
    document.documentElement.classList.toggle("stale", gone);
  }
  const announcement = () => document.querySelector("[data-announce]")?.dataset.announce;
  let announced = announcement();
  // Of what pages ask for by themselves, errors do not replace what is shown, except that of the session.
  const polled = (element) => element?.getAttribute?.("hx-trigger")?.startsWith("tick");
  document.addEventListener("htmx:before:swap", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (polled(sourceElement) && response.status >= 400 && !(response.status === 401 && sourceElement.id === "alarm")) event.preventDefault();
  });
  // What somebody has opened stays open when its surroundings change.
  htmx.registerExtension("keep-open", {
    htmx_before_morph_attr: (element, detail) => element.localName !== "details" || detail.attrName !== "open",
  });
  document.addEventListener("htmx:after:request", (event) => reachable((event.detail?.ctx?.response?.status ?? 200) < 500));
  document.addEventListener("htmx:error", () => reachable(false));
  document.addEventListener("htmx:after:swap", () => {
    localize(document);
    const words = announcement();
    if (words && words !== announced) document.getElementById("announcer").textContent = words;
    announced = words;
  });

  // Keys: / searches, g m and g h go to models and history, ? lists them. A choice in the menu.
  const keys = document.getElementById("keys");
  const on = () => localStorage.getItem("keys") !== "off";
  if (keys) {
    keys.closest("[data-keys]").hidden = false;
    keys.checked = on();
    keys.addEventListener("change", () => localStorage.setItem("keys", keys.checked ? "on" : "off"));
  }
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (!on() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") for (const open of all("details.who[open]")) open.open = false;
    if (event.target.closest("input, textarea, select")) return;
    const chord = before + event.key;
    before = event.key === "g" ? "g" : "";
    const go = { gm: "Models", gh: "History" }[chord];
    if (go) for (const link of all(".menu-list a")) if (link.textContent === go) link.click();
    if (event.key === "/") {
      const search = document.querySelector('input[type="search"]');
      if (search) { event.preventDefault(); search.focus(); }
    }
    if (event.key === "?") {
      const box = document.querySelector("details.who");
      if (box) box.open = true;
    }
  });
  document.addEventListener("click", (event) => {
    for (const open of all("details.who[open]")) if (!open.contains(event.target)) open.open = false;
  });

  // Links of forms that filter keep their place; seconds count down.
  for (const left of all("[data-countdown]")) {
    const end = Date.now() + 1000 * left.dataset.countdown;
    const timer = setInterval(() => {
      const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      left.textContent = seconds;
      if (!seconds) clearInterval(timer);
    }, 250);
  }

  localize(document);
})();
