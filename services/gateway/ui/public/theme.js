// Runs before the first paint, so that a page opened in the dark never flashes white.
(function () {
  var choice = null;
  try {
    choice = localStorage.getItem("steptrail.theme");
  } catch (_) {
    // Storage is refused in some private windows: the system's setting stands.
  }
  var dark = choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
