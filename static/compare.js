// Adds dragging to what works without it: the radio buttons under the picture move the edge.
for (const compare of document.querySelectorAll(".compare")) {
  const stage = compare.querySelector(".stage");
  const stops = [...compare.querySelectorAll("input")];

  const move = (event) => {
    const box = stage.getBoundingClientRect();
    const at = Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width));
    stops.reduce((a, b) => (Math.abs(b.value - at) < Math.abs(a.value - at) ? b : a)).checked = true;
    compare.style.setProperty("--at", `${at}%`);
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    // Or the browser would drag the picture itself.
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    compare.dataset.dragged = "";
    move(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (stage.hasPointerCapture(event.pointerId)) move(event);
  });
  stage.addEventListener("lostpointercapture", () => delete compare.dataset.dragged);
  // A mark that is chosen counts again.
  compare.addEventListener("change", () => compare.style.removeProperty("--at"));
}
