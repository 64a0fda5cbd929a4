// The form of the Try page: sliders, faults at their fields, and a filter for many fields.
"use strict";
(() => {
  const form = document.querySelector("form.try");
  const answer = document.getElementById("answer");

  // Buttons that download leave the page as it is: nothing to be disabled.
  document.addEventListener("submit", (event) => {
    if (event.submitter?.dataset.download !== undefined) event.stopPropagation();
  }, true);
  if (!form) return files();

  const field = (key) => form.elements.namedItem(key);
  const slider = (key) => form.querySelector(`[data-slider="${key}"]`);

  // A slider and its field follow each other. Four digits, or a whole number.
  document.addEventListener("input", (event) => {
    const from = event.target;
    if (from.dataset.slider) {
      const value = Number(from.value);
      field(from.dataset.slider).value = from.step === "1" || Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
    } else if (slider(from.name)) {
      slider(from.name).value = from.value;
    }
    // A slow version predicts only when the button is pressed.
    if (form.contains(from) && answer.querySelector("[data-slow]")) event.stopPropagation();
  }, true);

  // The faults of the answer, at their fields as well.
  function mark() {
    for (const old of form.querySelectorAll(".fault")) old.remove();
    for (const old of form.querySelectorAll("[aria-invalid]")) {
      old.removeAttribute("aria-invalid");
      old.removeAttribute("aria-describedby");
    }
    for (const link of answer.querySelectorAll("[data-fault]")) {
      const wrong = field(link.dataset.fault);
      const words = document.createElement("span");
      words.className = "fault";
      words.id = `${wrong.id}-fault`;
      words.textContent = link.nextElementSibling.textContent;
      wrong.after(words);
      wrong.setAttribute("aria-invalid", "true");
      wrong.setAttribute("aria-describedby", words.id);
      wrong.closest("details")?.setAttribute("open", "");
    }
  }

  // What was opened stays open with the next answer.
  let isOpen = false;
  document.addEventListener("toggle", (event) => {
    if (event.target.id === "call" && event.target.isConnected) isOpen = event.target.open;
  }, true);
  let sent = false;
  form.addEventListener("submit", () => { sent = true; });
  document.addEventListener("htmx:after:swap", () => {
    mark();
    if (sent) answer.querySelector('[role="alert"]')?.focus();
    sent = false;
    const call = document.getElementById("call");
    if (call && call.open !== isOpen) call.open = isOpen;
  });

  const filter = document.getElementById("filter");
  filter?.addEventListener("input", (event) => {
    event.stopPropagation();
    const wanted = filter.value.trim().toLowerCase();
    for (const one of form.querySelectorAll("[data-field]")) {
      const label = one.querySelector("label");
      one.hidden = wanted !== "" && !`${label.title} ${label.textContent}`.toLowerCase().includes(wanted);
    }
    for (const group of form.querySelectorAll("details.group")) {
      group.hidden = !group.querySelector("[data-field]:not([hidden])");
      if (wanted) group.open = !group.hidden;
    }
  });

  // A file: dropped or chosen, sent with its progress, and the answer saved.
  function files() {
    const sender = document.getElementById("file-form");
    if (!sender) return;
    const file = document.getElementById("file");
    const state = document.getElementById("file-state");
    const bar = sender.querySelector("progress");
    const button = sender.querySelector("button.primary");
    sender.addEventListener("dragover", (event) => { event.preventDefault(); sender.classList.add("over"); });
    sender.addEventListener("dragleave", () => sender.classList.remove("over"));
    sender.addEventListener("drop", (event) => {
      event.preventDefault();
      sender.classList.remove("over");
      if (event.dataTransfer.files.length) file.files = event.dataTransfer.files;
    });
    sender.addEventListener("submit", (event) => {
      event.preventDefault();
      const request = new XMLHttpRequest();
      const end = (words) => { state.textContent = words; bar.hidden = true; button.disabled = false; };
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        bar.value = (100 * loaded) / total;
        state.textContent = loaded < total ? "Sending…" : "Predicting…";
      });
      request.addEventListener("load", async () => {
        const disposition = request.getResponseHeader("Content-Disposition");
        if (request.status === 200 && disposition) {
          const link = document.createElement("a");
          link.href = URL.createObjectURL(request.response);
          link.download = disposition.split("filename=")[1].replaceAll('"', "");
          link.click();
          setTimeout(() => URL.revokeObjectURL(link.href), 60000);
          document.getElementById("file-error").replaceChildren();
          return end(`Saved as ${link.download}.`);
        }
        const page = new DOMParser().parseFromString(await request.response.text(), "text/html");
        const alert = page.querySelector("[role=alert]");
        alert?.removeAttribute("autofocus"); // only of a page that is loading
        document.getElementById("file-error").replaceChildren(...(alert ? [alert] : []));
        end(alert ? "" : `Failed with status ${request.status}.`);
        alert?.focus();
      });
      request.addEventListener("error", () => end("The service was not reached."));
      request.open("POST", sender.action);
      request.responseType = "blob";
      bar.value = 0;
      bar.hidden = false;
      button.disabled = true;
      state.textContent = "Sending…";
      request.send(new FormData(sender));
    });
  }
})();
