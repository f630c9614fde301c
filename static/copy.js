/* Adds to what works without it: every command is selected whole by one click; with this, a button copies it. */
for (const button of navigator.clipboard ? document.querySelectorAll(".copy") : []) {
  const word = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
    button.dataset.done = "";
    setTimeout(() => {
      button.textContent = word;
      delete button.dataset.done;
    }, 1600);
  });
}
