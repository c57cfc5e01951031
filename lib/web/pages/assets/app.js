/** What a script adds to pages that work without one: copying, choosing at once, live rows. */

for (const form of document.querySelectorAll("form[data-live]")) {
  let asked = 0;
  const update = async () => {
    const turn = ++asked;
    const query = new URLSearchParams(new FormData(form));
    const url = `${form.action.split("?")[0]}?${query}`;
    const text = await (await fetch(url, { headers: { accept: "text/html" } })).text();
    if (turn !== asked) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    document.querySelector("#result")?.replaceWith(fresh.querySelector("#result") ?? "");
    history.replaceState(null, "", url);
    offerCopies();
  };
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    update();
  });
}

function offerCopies() {
  for (const button of document.querySelectorAll("button[data-copied][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const text = button.parentElement.querySelector("pre").textContent;
  // Without TLS a page has no clipboard but the one of its selection.
  if (navigator.clipboard !== undefined) await navigator.clipboard.writeText(text);
  else {
    getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  const label = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => {
    button.textContent = label;
  }, 1500);
}

for (const region of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(region.dataset.events);
  source.addEventListener("transfers", (event) => {
    region.innerHTML = JSON.parse(event.data);
  });
}

offerCopies();
