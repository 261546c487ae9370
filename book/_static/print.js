/* Before a page is printed: the light is turned on and what is folded is opened, code excepted. Afterwards all is as before.
   Solutions are opened by sphinx-togglebutton itself. */
(() => {
  "use strict";
  const root = document.documentElement;
  let theme = null;
  let opened = [];

  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    for (const link of document.querySelectorAll('.bd-article a[href^="http"]')) {
      const shown = link.textContent.trim().replace(/^doi:/, "");
      link.classList.toggle("bare-address", link.href.includes(shown));
    }
    opened = [...document.querySelectorAll("details.sd-dropdown:not([open])")];
    opened.forEach((details) => (details.open = true));
  });

  addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme;
    opened.forEach((details) => (details.open = false));
  });
})();
