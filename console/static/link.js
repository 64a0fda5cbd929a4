// Sends the code of a link that signs in. It leaves the address first, and with it the history.
"use strict";
(() => {
  const send = () => {
    const code = location.hash.slice(1);
    if (!code) return;
    history.replaceState(null, "", location.pathname);
    const form = document.getElementById("link");
    form.elements.code.value = code;
    form.requestSubmit();
  };
  // A browser may load a page that nobody has opened yet.
  if (document.prerendering) document.addEventListener("prerenderingchange", send, { once: true });
  else send();
  addEventListener("hashchange", send);
})();
