// Everything works without this file. It warns of unsaved changes, selects all rows, and copies secrets.
(() => {
  "use strict";

  for (const form of document.querySelectorAll("form[data-guard]")) {
    let changed = document.querySelector(".errornote") !== null;
    form.addEventListener("input", () => { changed = true; });
    form.addEventListener("submit", () => { changed = false; });
    addEventListener("beforeunload", event => { if (changed) event.preventDefault(); });
  }

  const boxes = [...document.querySelectorAll("input[name=_selected_action][type=checkbox]")];
  const corner = document.querySelector("#result_list thead .check");
  if (corner && boxes.length > 0) {
    const all = document.createElement("input");
    all.type = "checkbox";
    all.setAttribute("aria-label", "Select all on this page");
    all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
    corner.replaceChildren(all);
  }

  if (navigator.clipboard) {
    for (const secret of document.querySelectorAll("[data-copy]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(secret.textContent);
        button.textContent = "Copied";
      });
      secret.after(" ", button);
    }
  }
})();
