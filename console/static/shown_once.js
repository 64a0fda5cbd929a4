// Warns before leaving a page that shows a value once, until the value was copied.
"use strict";
(() => {
  const value = document.querySelector("[data-shown-once]");
  let kept = false;
  document.addEventListener("copy", () => { kept = true; });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-copy]")) kept = true; });
  value.addEventListener("focus", () => value.select());
  addEventListener("beforeunload", (event) => { if (!kept) event.preventDefault(); });
})();
