// Shows what passkeys need where they can be used: a browser that knows them, and a site with a name rather than a number.
document.addEventListener("DOMContentLoaded", () => {
  const usable = Boolean(window.PublicKeyCredential) && !/^[0-9.]+$|:/.test(location.hostname);
  document.querySelectorAll("[data-passkey]").forEach((part) => { part.hidden = !usable; });
  document.querySelectorAll("[data-no-passkey]").forEach((part) => { part.hidden = usable; });
});
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  document.getElementById("passkey-problem").hidden = false;
});
