// Sends the form of an upload with its progress, and keeps the chosen files when it is refused.
"use strict";
(() => {
  const form = document.querySelector("[data-upload]");
  const box = document.getElementById("progress");
  const bar = box.querySelector("progress");
  const phase = document.getElementById("phase");
  const count = document.getElementById("phase-count");
  const more = document.getElementById("phase-more");
  const stop = document.getElementById("stop");
  const refusal = document.getElementById("refusal");
  let request = null;
  let isSent = false;
  let timer = 0;

  // The phase is read out once; what counts beside it is not.
  function say(words, details = "", counted = "") {
    if (phase.textContent !== words) phase.textContent = words;
    more.textContent = details;
    count.textContent = counted;
  }

  function end(words, details) {
    clearInterval(timer);
    request = null;
    say(words, details);
    bar.hidden = stop.hidden = true;
    box.hidden = !words;
    form.querySelector("button.primary").disabled = false;
  }

  function check() {
    isSent = true;
    const began = Date.now();
    bar.removeAttribute("value");
    const words = () => say(
      "Checking in a closed room…",
      "The file is read by an allow-list of classes, compiled, and its compiled answers are compared with its own.",
      `${Math.round((Date.now() - began) / 1000)} s`,
    );
    words();
    timer = setInterval(words, 1000);
  }

  function show(page) {
    const found = new DOMParser().parseFromString(page, "text/html").querySelector("main [role=alert], main .card");
    found?.removeAttribute("autofocus"); // the page has its focus already
    refusal.replaceChildren(...(found ? [document.importNode(found, true)] : []));
    const alert = refusal.firstElementChild;
    if (alert) { alert.tabIndex = -1; alert.focus(); }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (request) return;
    isSent = false;
    refusal.replaceChildren();
    box.hidden = bar.hidden = stop.hidden = false;
    bar.value = 0;
    say("Sending…", "", "0 %");
    form.querySelector("button.primary").disabled = true;
    request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.upload.addEventListener("progress", (sent) => {
      if (!sent.lengthComputable) return;
      bar.value = 100 * sent.loaded / sent.total;
      say("Sending…", "", `${Math.floor(bar.value)} %`);
    });
    request.upload.addEventListener("load", check);
    request.addEventListener("load", () => {
      const { status, responseURL, responseText } = request;
      if (status === 200 && responseURL !== form.action) { location.assign(responseURL); return; }
      end(status === 401 ? "Your session has ended" : "", status === 401 ? "Sign in in another tab, then press Upload again: the files are still chosen." : "");
      if (status !== 401) show(responseText);
    });
    request.addEventListener("error", () => end("The connection was lost", "Press Upload again. If the service had received the file, it is registered only once."));
    request.addEventListener("abort", () => end(
      isSent ? "Stopped waiting" : "Cancelled",
      isSent ? "The service had received the whole file, and may still register it as a version." : "Nothing was stored.",
    ));
    request.send(new FormData(form));
  });
  stop.addEventListener("click", () => { if (request) request.abort(); });
})();
