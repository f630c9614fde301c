// Names for the fields that Django's autocompletion makes out of menus: each is called as its label says.
"use strict";

const FIELDS = ".select2-search__field, .select2-selection--single, .select2-selection__rendered[role=textbox]";

document.addEventListener("DOMContentLoaded", () => {
  const name = () => {
    for (const row of document.querySelectorAll(".form-row")) {
      const label = row.querySelector("label");
      if (!label) continue;
      for (const field of row.querySelectorAll(FIELDS)) {
        const chosen = field.matches(".select2-selection--single") ? field : null;
        const words = [label.textContent.replace(/:\s*$/, "").trim(), chosen ? chosen.textContent.trim() : ""];
        const wanted = words.filter(Boolean).join(": ");
        if (field.getAttribute("aria-label") === wanted) continue;
        field.removeAttribute("aria-labelledby");
        field.setAttribute("aria-label", wanted);
      }
    }
  };
  name();
  for (const row of document.querySelectorAll(".form-row")) {
    if (row.querySelector(".admin-autocomplete")) new MutationObserver(name).observe(row, { childList: true, subtree: true });
  }
});
