// Everything works without this script; with it, links to Airflow's own pages leave our frame, and a choice shows at once.
(() => {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-airflow]");
    if (!link || window.parent === window) return;
    // A frame may not move the page around it; a link of that page may.
    event.preventDefault();
    const outside = window.parent.document.createElement("a");
    outside.href = link.href;
    window.parent.document.body.append(outside);
    outside.click();
    outside.remove();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
  });
  // A day or week that is wider than the window begins at now.
  const toNow = () => document.querySelectorAll(".picture[data-now]:not([data-seen])").forEach((picture) => {
    picture.dataset.seen = "yes";
    picture.scrollLeft = (picture.scrollWidth * picture.dataset.now) / 100 - picture.clientWidth / 2;
  });
  toNow();
  document.addEventListener("htmx:after:swap", toNow);
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    // One press, one run: what was pressed is sent first, then nothing can be pressed again.
    window.setTimeout(() => event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; }), 0);
  });
})();
