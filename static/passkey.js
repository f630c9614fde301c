// Shows the passkey buttons, which are of no use without scripts, and says when a passkey was not used.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("[data-passkey]").forEach((part) => { part.hidden = !window.PublicKeyCredential; });
});
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const problem = document.getElementById("passkey-problem");
  problem.hidden = false;
});
