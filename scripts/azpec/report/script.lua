-- The script of a report: it filters and sorts the table of connections. It moves rows and makes no markup. The page is
-- complete without it.

return [[

"use strict";
(() => {
  const table = document.getElementById("connection-table");
  const form = document.getElementById("filter");
  if (!table || !form) return;
  const groups = Array.from(table.tBodies);
  const size = groups.length ? groups[0].rows.length : 0;
  let rows = groups.flatMap((group) => Array.from(group.rows));
  const shown = document.getElementById("shown");
  const count = new Intl.NumberFormat("en");
  const compare = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  const texts = new Map();

  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.normalize("NFKC").toLowerCase());
    return texts.get(row);
  };

  // Returns a function that tests a row against the form.
  const wanted = () => {
    const words = form.elements.words.value.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean);
    const account = form.elements.account.value;
    const statuses = Array.from(form.querySelectorAll("[name=status]:checked"), (box) => box.value);
    const marks = ["outside", "unrecorded"].filter((name) => form.elements[name] && form.elements[name].checked);
    return (row) => (!account || row.dataset.account === account)
      && (statuses.length === 0 || statuses.some((status) => row.classList.contains(status)))
      && marks.every((name) => row.classList.contains(name))
      && words.every((word) => textOf(row).includes(word));
  };

  // Fills group after group: the style assumes that a group out of view is full.
  const show = () => {
    const matching = rows.filter(wanted());
    groups.forEach((group, place) => {
      group.replaceChildren(...matching.slice(place * size, (place + 1) * size));
      group.hidden = group.rows.length === 0;
    });
    shown.textContent = matching.length === rows.length ? "" : "; " + count.format(matching.length) + " shown";
  };

  // Returns the value to sort by; null sorts last in either direction.
  const keyOf = (row, column, isNumber) => {
    const cell = row.cells[column];
    if (!isNumber) return cell.textContent || null;
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };

  const sort = (header, column) => {
    const isDown = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const isNumber = header.classList.contains("n");
    const keyed = rows.map((row, place) => ({ row, place, key: keyOf(row, column, isNumber) }));
    keyed.sort((a, b) => {
      if ((a.key === null) !== (b.key === null)) return a.key === null ? 1 : -1;
      const order = a.key === null ? 0 : isNumber ? a.key - b.key : compare(a.key, b.key);
      return (isDown ? -order : order) || a.place - b.place;
    });
    rows = keyed.map((one) => one.row);
    show();
  };

  for (const [column, header] of Array.from(table.tHead.rows[0].cells).entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sort(header, column));
  }

  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 120);
  });
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-account], a[data-mark]");
    if (!link) return;
    form.reset();
    if (link.dataset.account) form.elements.account.value = link.dataset.account;
    if (link.dataset.mark) form.elements[link.dataset.mark].checked = true;
    show();
  });
  form.hidden = false;
})();
]]
