// Dark or light like Airflow around us, else like the visitor's system. Runs before anything is drawn.
(() => {
  const around = (() => { try { return window.parent !== window ? window.parent.document.documentElement : null; } catch { return null; } })();
  const dark = () => {
    const said = around && (around.dataset.theme || around.style.colorScheme || (around.classList.contains("dark") && "dark") || (around.classList.contains("light") && "light"));
    return said ? said === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const wear = () => { document.documentElement.dataset.theme = dark() ? "dark" : "light"; };
  wear();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", wear);
  if (around) new MutationObserver(wear).observe(around, { attributes: true, attributeFilter: ["class", "style", "data-theme"] });
})();
