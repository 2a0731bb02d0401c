// The page is whole without this: it adds the filter, copying, and details without leaving the matrix.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const findings = all(".finding"), rows = all(".matrix .row"), columns = all(".matrix [data-k]");
  const words = byId("words"), node = byId("node"), shown = byId("shown"), unfold = byId("unfold");
  const kinds = all(".kind-button");
  const texts = new Map([...findings, ...rows].map((element) => [element, element.textContent.toLowerCase()]));

  function filter() {
    const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const off = new Set(kinds.filter((kind) => kind.ariaPressed === "false").map((kind) => kind.dataset.kind));
    const fits = (element) => !off.has(element.dataset.kind) && sought.every((word) => texts.get(element).includes(word));
    const about = (element) => !node.value || element.dataset.nodes.split(" ").includes(node.value);
    let count = 0;
    for (const finding of findings) {
      finding.hidden = !(fits(finding) && about(finding));
      count += finding.hidden ? 0 : 1;
    }
    for (const group of all(".group")) group.hidden = !all(".finding", group).some((finding) => !finding.hidden);
    for (const row of rows) row.hidden = !fits(row);
    for (const cell of columns) cell.hidden = Boolean(node.value) && cell.dataset.k !== node.value;
    shown.value = count === findings.length ? "" : `${count} of ${findings.length} shown`;
  }

  function unfolded(open) {
    for (const details of all("#findings details:not(.why), .port details")) details.open = open;
    unfold.textContent = open ? "close all" : "open all";
    unfold.ariaExpanded = String(open);
  }

  // Browsers that do not open what a link leads to by themselves.
  function reveal() {
    const target = location.hash.length > 1 && byId(location.hash.slice(1));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView({ block: "nearest" });
  }

  const dialog = byId("detail"), detail = dialog.querySelector("div");
  function show(numbers) {
    detail.replaceChildren(...numbers.flatMap((number) => {
      const body = byId(`f${number}`), summary = body.parentElement.querySelector("summary");
      const head = document.createElement("div"), copy = body.cloneNode(true);
      head.className = "head";
      const what = document.createElement("div");
      what.append(...[".what", ".whom", ".id"].map((part) => summary.querySelector(part).cloneNode(true)));
      what.querySelector(".whom").style.justifyContent = "flex-start";
      head.append(summary.querySelector(".s").cloneNode(true), what);
      copy.removeAttribute("id");
      return [head, copy];
    }));
    dialog.showModal();
  }

  async function copied(button) {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("p"));
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  }

  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    const cell = hit("[data-f]"), tile = hit("[data-node]"), copy = hit(".copy"), kind = hit(".kind-button");
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (cell) {
      event.preventDefault();
      show(cell.dataset.f.split(" "));
    } else if (tile) {
      event.preventDefault();
      node.value = tile.dataset.node;
      filter();
      byId("findings").scrollIntoView();
    } else if (copy) {
      copied(copy);
    } else if (kind) {
      kind.ariaPressed = String(kind.ariaPressed === "false");
      filter();
    } else if (hit(".close") || event.target === dialog) {
      dialog.close();
    }
  });
  words.addEventListener("input", filter);
  node.addEventListener("change", filter);
  unfold.addEventListener("click", () => unfolded(unfold.ariaExpanded === "false"));
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);

  // What was closed before printing is closed after it.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open]):not(.why)");
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => { for (const details of opened) details.open = false; });

  document.querySelector(".tools").hidden = false;
  for (const button of all(".copy")) button.hidden = false;
  reveal();
})();
